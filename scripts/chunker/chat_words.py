"""Words of today's chats for the training text: spellings, slang, names. Data only; collected
by hand."""

from __future__ import annotations

Tagged = tuple[str, str, str]
"""A word, its part of speech, and B, I or O for where noun phrases are."""


def words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


SPELLINGS: dict[str, tuple[str, ...]] = {
    "you": ("u", "ya", "yu"), "your": ("ur", "yr"), "are": ("r",), "be": ("b",), "why": ("y",),
    "please": ("pls", "plz"), "thanks": ("thx", "ty", "tysm"), "people": ("ppl",),
    "because": ("cuz", "bc", "cause", "coz"), "with": ("w", "wit", "w/"), "without": ("w/o",),
    "tonight": ("tonite", "2nite", "tn"), "tomorrow": ("tmrw", "tmr", "2moro", "tomoro"),
    "today": ("tdy", "2day"), "yesterday": ("yday", "ystd"), "really": ("rly", "rlly"),
    "though": ("tho",), "through": ("thru",), "about": ("abt", "bout"), "before": ("b4",),
    "great": ("gr8",), "for": ("4", "fr"), "to": ("2", "ta"), "too": ("2", "to"),
    "the": ("da", "teh"), "and": ("n", "nd", "&"), "okay": ("k", "ok", "kk"),
    "what": ("wat", "wut"), "this": ("dis",),
    "probably": ("prob", "prolly"), "something": ("smth", "sumthin"), "someone": ("sm1", "some1"),
    "everyone": ("every1", "evry1"), "anyone": ("any1",), "nothing": ("nothin", "nuthin"),
    "night": ("nite",), "love": ("luv",), "know": ("kno",), "see": ("c",), "them": ("em",),
    "friend": ("frend", "fren", "bestie"), "friends": ("frends", "frens"), "seriously": ("srsly",),
    "definitely": ("def", "defo", "definately"), "favorite": ("fav", "fave"), "house": ("haus",),
    "picture": ("pic",), "pictures": ("pics",), "photo": ("pic",), "photos": ("pics",),
    "information": ("info",), "minutes": ("mins", "min"), "minute": ("min", "sec"),
    "hours": ("hrs",), "hour": ("hr",), "message": ("msg", "dm"), "messages": ("msgs", "dms"),
    "weekend": ("wknd",), "birthday": ("bday",), "brother": ("bro", "brother"),
    "going": ("goin", "gon"), "doing": ("doin",), "have": ("hav", "hv"), "never": ("nvr", "neva"),
    "that": ("dat", "tht"), "just": ("jus", "jst"), "should": ("shud", "shld"), "would": ("wud",),
    "could": ("cud",), "right": ("rite",), "movie": ("film", "flick"), "game": ("match", "gaem"),
}  # fmt: skip
OPENINGS: tuple[tuple[Tagged, ...], ...] = tuple(
    tuple((text, pos, "O") for text, pos in opening)
    for opening in (
        (("lol", "INTJ"),), (("lmao", "INTJ"),), (("ngl", "ADV"),), (("tbh", "ADV"),),
        (("bro", "INTJ"),), (("dude", "INTJ"),), (("omg", "INTJ"),), (("wait", "INTJ"),),
        (("ok", "INTJ"), ("so", "ADV")), (("yeah", "INTJ"),), (("nah", "INTJ"),),
        (("wtf", "INTJ"),), (("idk", "INTJ"),), (("imo", "ADV"),), (("fr", "ADV"),),
        (("haha", "INTJ"),), (("hey", "INTJ"),), (("yo", "INTJ"),), (("guys", "INTJ"),),
        (("bruh", "INTJ"),), (("oh", "INTJ"),), (("welp", "INTJ"),), (("btw", "ADV"),),
        (("but", "CCONJ"), ("like", "INTJ")), (("and", "CCONJ"),), (("also", "ADV"),),
        (("nooo", "INTJ"),), (("ughh", "INTJ"),), (("can't", "AUX"), ("lie", "VERB")),
    )
)  # fmt: skip
CLOSINGS: tuple[tuple[Tagged, ...], ...] = (
    *(((text, "INTJ", "O"),) for text in ("lol", "lmao", "haha", "bro", "dude", "man", "xd", "smh",
                                          "fam", "bruh", "pls", "lmaooo", "mate", "huh", "yk")),
    *(((text, "ADV", "O"),) for text in ("rn", "tho", "ngl", "tbh", "imo", "fr", "again", "later",
                                         "irl", "asap", "already", "too", "anyway", "atm")),
    *(((text, "NOUN", "B"),) for text in ("tonight", "tonite", "tmrw", "tomorrow", "today",
                                          "yesterday", "2nite", "tmr")),
    *(((text, "SYM", "O"),) for text in ("😂", "😭", "💀", "🔥", "❤", "🙏", "😅", "👀", "🤔", "xD",
                                         ":)", ":(", ":D", "^^", "<3")),
    (("this", "DET", "B"), ("weekend", "NOUN", "I")),
    (("last", "ADJ", "B"), ("night", "NOUN", "I")),
    (("for", "ADP", "O"), ("real", "ADJ", "O")), (("no", "DET", "B"), ("cap", "NOUN", "I")),
    (("right", "ADV", "O"), ("now", "ADV", "O")), (("or", "CCONJ", "O"), ("what", "PRON", "B")),
    (("at", "ADP", "O"), ("8", "NUM", "O")), (("at", "ADP", "O"), ("all", "DET", "O")),
)  # fmt: skip
NAMES = words(
    """
    valorant zelda minecraft discord fortnite roblox overwatch skyrim tetris pokemon mario kirby
    elden ring steam twitch youtube tiktok insta reddit spotify netflix marvel batman naruto shrek
    gerald priya marlow juno dex bort tina ollie max ezra nico dani tess sam alex kai lena yuki
    berlin tokyo ikea lidl costco mcdonalds dominos nandos starbucks taylor swift radiohead beyonce
    linux ubuntu python figma excel chatgpt vscode uber nintendo playstation xbox gamecube lego
    """
)
THINGS = words(
    """
    noodles ramen pizza tacos soup burrito kebab boba coffee pancakes nachos toaster laptop keyboard
    wifi router server mic headset controller playlist meme memes stream boss raid quest dungeon
    loot patch build deck draft lobby ping lag cat dog kitten hamster raccoon walrus duck frog
    bike scooter train bus couch hoodie socks shoes gig concert exam homework essay deadline shift
    landlord rent flatmate neighbour garden plant cactus fridge oven kitchen bathroom basement
    """
)
VERDICTS = words(
    """
    mid fire lit peak goated based cringe sus cracked bussin busted cursed unhinged wild insane
    cooked toast dead broken sick dope lame trash iconic elite chill
    """
)
VERBS_OF_PRAISE = {
    "is": ("slaps", "sucks", "rocks", "rules", "bangs", "hits", "stinks", "blows", "rips"),
    "are": ("slap", "suck", "rock", "rule", "bang", "hit", "stink", "blow"),
    "was": ("slapped", "sucked", "rocked", "ruled", "banged", "flopped", "stank"),
    "were": ("slapped", "sucked", "rocked", "flopped", "stank"),
}
