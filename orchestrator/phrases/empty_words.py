"""Words of English chat that say nothing by themselves. Data only.

spaCy's stop words are those of written English; these are what chat adds.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SLANG = _words(
    """
    lol lmao lmaoo lmaooo lmfao rofl haha hahaha hahahaha hehe xd ngl tbh imo imho rn gn gm gg ggs
    glhf wp brb afk btw fyi idk idc idek ikr omg omfg wtf wth smh tfw mfw iirc afaik tldr ty tysm
    thx np yw pls plz plss plsss ok okay okey okk kk yeah yea yeahh yep yup yepp ye yes yess nope
    nah nahh noo nooo noooo nooooo no hmm hmmm mhm uh uhh um umm oh ooh ohh ah ahh aw aww ugh ughh
    welp wow woah whoa yay yikes oof bruh bro bros broo dude dudes mate fam man hey hi hii hello
    yo yoo sup bye cya ttyl wait wdym hbu wbu tho tho' fr frfr lowkey highkey af asf atm irl tbf
    ffs istg yk ykw ily jk kidding ez rip nvm sry sorry thanks congrats huh meh duh eh gonna wanna
    gotta kinda sorta lemme gimme dunno cuz bc coz cos u ur r ya yall y'all im ive id ill dont
    doesnt didnt cant couldnt wont wouldnt isnt arent wasnt werent havent hasnt aint thats whats
    hes shes theyre youre weve theyve theres heres lets whos wheres hows tonite tmrw tmr tomoro
    tommorow tommorrow tomorow urs 2nite 2moro rlly rly srsly obv obvs prolly prob probs def defo
    idgaf stfu lfg w/ w/o b4 gr8 l8r m8 xoxo
    """
)
"""Never in a phrase, and no phrase reaches across one."""
NUMBERS = """
one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety dozen hundred
hundreds thousand thousands million millions o'clock oclock
"""
EMPTY_WORDS = _words(
    f"""
    thing things thingy stuff lot lots bit bits kind kinds sort sorts type types way ways one ones
    guy guys people ppl person somebody anybody everybody nobody someone anyone everyone smth sth
    smthn somethin nothin today tonight tomorrow yesterday now morning evening night day days week
    weeks month months year years hour hours hr hrs minute minutes min mins second seconds sec secs
    moment time times while weekend monday tuesday wednesday thursday friday saturday sunday am pm
    january february march april june july august september october november december
    end start part parts side place point case fact idea reason example course sake sense matter
    rest half couple bunch top bottom front back middle part whole
    help like get got know think going want said say come came went tell told look let hear good
    great sure maybe right want really need feel mean try use see saw make made take took go goes
    better best bad worse worst nice big little old new same different last first next other own
    such many much more most few less least enough long short several certain real true
    god lord hell heck damn shit fuck fucking crap yesss question answer problem shot luck
    {NUMBERS}
    """
)
"""A phrase of nothing but these is none; with another word beside it ("last episode", "game
night") it is."""
FIRST_WORDS = _words(
    """
    the a an da teh this that these those my your his her its our their mine yours ur yr mah dis
    dat some any no every each all both such what which whose much many more most other another one
    either neither enough several few little lil various certain own else same quite
    """
)
"""What a phrase does not begin with, whatever part of speech it was taken for."""
