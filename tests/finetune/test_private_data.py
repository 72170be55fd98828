"""Private data goes, and everything that only looks like it stays."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.private_data import without_private_data

ORDINARY = """
gta 5 is 19.99
see you 2024-05-03 18:30
see you 03.05.2024 18:30
192 likes
i rolled 20 20 19
i rolled 20 20 19 18 17 and a 1
version 1.2.3.4 came out
v 1.2.3.4 is out
update 10.0.19045.3803 broke my mouse
m8
@bob hi
hi @bob and @everyone
follow me @bob@mastodon.social
call me in 5
10/10
10/10/2023 was a good day
1234567
1234567890 is my favourite number
0123456789
order 2125550123 has arrived
12345678901234567
my discord id is 397725132652544065
<@397725132652544065> look
<:stare_4111111111111111:397725132652544065>
room code 48213 or 48 213
we won 21-19 21-17 11-3
it lasted 12:30:15
00:12:34.567
3.14159265359
0.1234567891
1,234,567,890 views
1 000 000 000 euro
12 500 000 people live there
pi is 3.1415926535 8979323846
1700000000 is a timestamp
$1234567.89
1920x1080 or 2560x1440
he said 5 5 5 5 5 5 5 5 5
1 2 3 4 5 6 7 8 9 10
06 07 08 09 10
2019 2020 2021 2022 2023 2024
from 2019-2020 to 2023-2024
nvidia rtx 4090 vs 3080 vs 1080
std::vector<int> and a::b
127.0.0.1 sweet 127.0.0.1
5 min down the road
2 guys in the street
3 big road works
2 good street tacos please
20 minute drive to yours
the 2 way street of love
3 lane road
100 ways to drive
she lives down the street since 2019
21 jump street was funny though
got it via steam 2 hours ago
i came via Discord 2 days ago
pizza 5 euro
Spring 24 and During 5
unterwegs 5 min
bin weg 5 minuten noch
Platz 3 und Parkplatz 7
der Weg ist noch 5 km
il reste 2 places dans la voiture
2 rue plus loin
la calle tiene 3 bares
en la calle desde las 3
une route de 300 km
my password is wrong again
the password is not working
password is required lol
i forgot my password
pin is broken
passed 12 exams at last
aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
AAAAAaaaaaAAAAAAaaaaaHHHHHHHHHHhhhhhhhhhh123
the-very-long-name-of-some-file-final-2.png
Donaudampfschifffahrtsgesellschaftskapitän
look https://example.com/4111111111111111?mail=a@example.com
+1 to that
+10000000000 aura
-5 000 000 000 social credit
me @ 3pm
5@10 each
iban is a funny word
DE89 is not enough
1:2:3:4:5:6:7:8
im 5 min away
st. patrick is 17 march
the 1 st place
im 12th street level annoying
windows 3.11.95.98
2024 05 03 was rainy
03 05 2024 18 30
from 09.05.2024-12.05.2024
020202020202
0-0-0 in rocket league
sets of 600 700 800
i have 10 000 000 gold
the password is the name of my cat
whats the wifi password
pin it is
3 hot dogs near the square
2 more road trips
9 lives and 1 street cat
2 place settings for 4 people
4 drive slots
1 hp left, 0 potions, 300 gold, 12 arrows
k/d 12/3/7 13/4/8 11/2/6
gg 16-14 16-12 9-16
1v1v1v1v1v1v1
3070ti, i7-12700k, 32gb ddr5-6000
tbh 50/50 60/40 70/30
bus 42 at 18:05, 18:25, 18:45
meet in room 2.13.045
isbn 978-3-16-148410-0
song is 4:33 long
win10 22h2 19045
order 8004664411 shipped
0 1 2 3 4 5 6 7 8 9
100 000 000% sure
""".strip().splitlines()

CAUGHT = [
    ("mail me at dex@example.com", "mail me at email"),
    ("mail dex.burns+chat@mail.example.co.uk!", "mail email!"),
    ("DEX_99@EXAMPLE.ORG", "email"),
    ("jürgen@büro-müller.de schreiben", "email schreiben"),
    ("write to dex (at) example (dot) com", "write to email"),
    ("dex [at] example.com", "email"),
    ("DEX (AT) EXAMPLE (DOT) COM", "email"),
    ("two: a@example.com, b@example.com", "two: email, email"),
    ("call +49 1523 4567890 ok", "call phone number ok"),
    ("+4915234567890", "phone number"),
    ("(+44) 7911 123456", "(phone number"),
    ("0049 1523 4567890", "phone number"),
    ("my uk one +44 7911 123456", "my uk one phone number"),
    ("+1 (212) 555-2368", "phone number"),
    ("+33 6 12 34 56 78 stp", "phone number stp"),
    ("+34 612 34 56 78", "phone number"),
    ("+39 347 123 4567", "phone number"),
    ("+31 6 12345678", "phone number"),
    ("+48 512 345 678", "phone number"),
    ("+55 11 91234-5678", "phone number"),
    ("+91 98765 43210", "phone number"),
    ("+7 912 345-67-89", "phone number"),
    ("+81 90-1234-5678", "phone number"),
    ("ruf an 0171 2345678", "ruf an phone number"),
    ("0171/2345678", "phone number"),
    ("01712345678 ist neu", "phone number ist neu"),
    ("030 12345678", "phone number"),
    ("(030) 12345678", "phone number"),
    ("07911 123456", "phone number"),
    ("07911123456", "phone number"),
    ("020 7946 0018 in london", "phone number in london"),
    ("(212) 555-2368", "phone number"),
    ("212-555-2368", "phone number"),
    ("212.555.2368 pls", "phone number pls"),
    ("1-800-466-4411", "phone number"),
    ("06 12 34 56 78", "phone number"),
    ("06.12.34.56.78", "phone number"),
    ("612 34 56 78", "phone number"),
    ("347 123 4567", "phone number"),
    ("06-12345678", "phone number"),
    ("0412 345 678", "phone number"),
    ("(11) 91234-5678", "phone number"),
    ("98450 12345", "phone number"),
    ("text me 2125552368", "text me phone number"),
    ("whatsapp: 612345678", "whatsapp: phone number"),
    ("my number is 2125552368", "my number is phone number"),
    ("4111 1111 1111 1111", "card number"),
    ("4111111111111111 exp 10/27", "card number exp 10/27"),
    ("5500-0000-0000-0004", "card number"),
    ("3782 822463 10005", "card number"),
    ("DE89 3704 0044 0532 0130 00 danke", "account number danke"),
    ("DE89370400440532013000", "account number"),
    ("gb29 nwbk 6016 1331 9268 19", "account number"),
    ("FR14 2004 1010 0505 0001 3M02 606", "account number"),
    ("ES91 2100 0418 4502 0005 1332", "account number"),
    ("NL91ABNA0417164300 graag", "account number graag"),
    ("IT60X0542811101000000123456", "account number"),
    ("join 93.184.216.34 quick", "join ip address quick"),
    ("server is 192.168.1.12:25565", "server is ip address:25565"),
    ("2001:0db8:85a3:0000:0000:8a2e:0370:7334", "ip address"),
    ("fe80::1ff:fe23:4567:890a", "ip address"),
    ("i live at 12 elm street", "i live at address"),
    ("12 Elm Street, Leeds", "address, Leeds"),
    ("221b Baker St.", "address"),
    ("send it to 1600 Pennsylvania Avenue please", "send it to address please"),
    ("45 Rosewood Drive is mine", "address is mine"),
    ("7 Old Church Lane", "address"),
    ("12 ELM STREET!!", "address!!"),
    ("350 W 5th Ave maybe", "address maybe"),
    ("komm zur Hauptstraße 5", "komm zur address"),
    ("bahnhofstr. 12a", "address"),
    ("Lindenweg 7, 10115 Berlin", "address"),
    ("Kurfürstendamm 12", "address"),
    ("lange straße 9 klingeln", "address klingeln"),
    ("12 rue de la paix", "address"),
    ("8 bis, rue Victor Hugo", "address"),
    ("3 place Bellecour", "address"),
    ("25 boulevard de la liberté", "address"),
    ("calle mayor 12", "address"),
    ("vivo en Calle de Alcalá 45, Madrid", "vivo en address, Madrid"),
    ("Avda. de la Constitución, 3", "address"),
    ("abito in via roma 12", "abito in address"),
    ("via Garibaldi, 3", "address"),
    ("piazza Duomo 1", "address"),
    ("kerkstraat 12", "address"),
    ("Prinsengracht 263 a", "address"),
    ("Dorpsweg 5", "address"),
    ("+٤٩ ١٥٢٣ ٤٥٦٧٨٩٠", "phone number"),
]

SECRETS = [
    "token MTE3OTc1ODE0NjYxNzM0NDAwMA.GhJk2L.abcdefghijklmnopqrstuvwxyz0123456789AB",
    "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "sk-proj-abcdefgh1jklmnopqrstuvwxyz",
    "use aB3dE5fG7hI9jK1lM3nO5pQ7rS9t ok",
    "5d41402abc4b2a76b9719d911017c592",
    "the password is hunter2",
    "wifi password: correcthorse",
    "Passwort ist Sonnenblume!",
    "mot de passe: soleil99",
    "contraseña es girasol",
    "wachtwoord is zonnebloem",
    "my pin is 4821",
    "-----BEGIN RSA PRIVATE KEY-----",
]


@pytest.mark.parametrize("line", ORDINARY)
def test_an_ordinary_line_stays_untouched(line: str) -> None:
    assert without_private_data(line) == (line, {})


@pytest.mark.parametrize(("line", "left"), CAUGHT)
def test_private_data_becomes_a_neutral_word(line: str, left: str) -> None:
    text, kinds = without_private_data(line)
    assert text == left
    assert kinds


@pytest.mark.parametrize("line", SECRETS)
def test_a_line_with_a_secret_goes_whole(line: str) -> None:
    assert without_private_data(line) == ("", {"secret": 1})


def test_every_find_is_counted_by_kind() -> None:
    _, kinds = without_private_data("a@example.com b@example.com +49 1523 4567890")
    assert kinds == {"email": 2, "phone number": 1}


PARTS = st.sampled_from(
    [line for line, _ in CAUGHT] + ORDINARY + ["5", " street", "+", "@", ".", ":", "<", "\n", "0"]
)


@given(st.lists(PARTS, max_size=5).map("".join) | st.lists(PARTS, max_size=5).map(" ".join))
def test_what_is_clean_stays_as_it_is(text: str) -> None:
    once, _ = without_private_data(text)
    assert without_private_data(once) == (once, {})


@given(st.text(max_size=200) | st.text("0123456789 +-.:/@()abcDE", max_size=80))
def test_any_text_can_be_looked_at(text: str) -> None:
    once, kinds = without_private_data(text)
    assert without_private_data(once) == (once, {})
    assert (once == text) == (not kinds)


def test_a_long_line_takes_no_long_time() -> None:
    begin = time.perf_counter()
    for part in ("0 ", "12 a ", "a1:", "1.", "a.b-", "DE12 ", "+1 ", "(0", "pass", "ab@", "Aa1"):
        without_private_data(part * (4000 // len(part)))
    assert time.perf_counter() - begin < 5
