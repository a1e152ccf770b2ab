//! The shared world in English words: what there is to talk about, and who does what to whom.
//!
//! The words are labels of concepts, not text: every language has a root of its own for each of them.

use crate::meaning::{Frame, Kind};

/// Nouns by kind. The order is the order of frequency within a kind.
pub const NOUNS: &[(Kind, &str)] = &[
    (
        Kind::Human,
        "woman man child friend mother father teacher girl boy neighbour king doctor sister brother farmer worker \
         soldier singer queen merchant sailor baker student writer judge smith shepherd hunter painter guest thief \
         stranger cook aunt uncle grandmother grandfather daughter son widow priest fisher weaver tailor miller guard \
         servant leader poet dancer player driver builder nurse clerk heir rival scholar pupil traveller",
    ),
    (
        Kind::Animal,
        "dog horse cat bird fish cow sheep goat wolf bear fox hen pig mouse snake lion deer duck frog crow owl goose \
         rabbit donkey bee spider ant turtle eagle camel otter swan hawk mule lizard crab whale seal hare badger",
    ),
    (
        Kind::Food,
        "bread apple meat rice egg milk soup cheese salt onion grape bean honey pear cake nut fig plum oil butter corn \
         cherry carrot pepper olive lemon pumpkin berry wheat oat leek melon garlic herb mushroom broth stew pie \
         cabbage turnip",
    ),
    (
        Kind::Thing,
        "book house boat knife table letter lamp door stone cup chair rope coat basket ring key wagon mirror shoe bell \
         picture wheel box hat net sword bowl bed drum needle candle spoon hammer blanket map cart ladder bottle shirt \
         window flute sack plough oar coin fence bucket axe belt broom comb cloak glove hook jar kettle pillow plate \
         saddle sail shield shovel spade tool towel trap tray crown",
    ),
    (
        Kind::Place,
        "village river forest town field mountain market road garden sea hill school island bridge lake valley shore \
         harbour mill castle temple street desert cave meadow well tower square inn farm swamp cliff port orchard \
         square2 path cellar kitchen barn yard",
    ),
    (
        Kind::Idea,
        "story song law plan dream word question secret game answer promise truth name idea rule lesson joke debt war \
         feast journey wish custom rumour riddle prayer message duty",
    ),
];

use Kind::{Animal, Food, Human, Idea, Place, Thing};

const ANIMATE: &[Kind] = &[Human, Animal];
const PERSON: &[Kind] = &[Human];
const OBJECT: &[Kind] = &[Thing, Food];
const BODY: &[Kind] = &[Human, Animal, Thing];

/// Verbs by frame, with the kinds of their subject and of their object.
pub const VERBS: &[(Frame, &[Kind], &[Kind], &str)] = &[
    (
        Frame::Intransitive,
        ANIMATE,
        &[],
        "sleep wait live sit die stand rest wake fall shout play jump swim breathe tremble grow hide shiver stumble limp",
    ),
    (
        Frame::Intransitive,
        PERSON,
        &[],
        "work laugh sing dance weep speak smile dream2 pray rejoice complain argue win lose suffer sigh whisper hesitate",
    ),
    (Frame::Intransitive, &[Thing, Food], &[], "break lie shine burn vanish crack rot tilt glow rattle sink rust"),
    (Frame::Intransitive, &[Idea], &[], "begin end spread change last continue matter recur"),
    (
        Frame::Transitive,
        ANIMATE,
        &[Human, Animal, Thing, Food, Place],
        "see find hear know watch follow leave love fear seek notice smell forget remember hate",
    ),
    (Frame::Transitive, ANIMATE, &[Food], "eat taste chew swallow steal nibble devour gather"),
    (
        Frame::Transitive,
        PERSON,
        OBJECT,
        "make carry buy hold want2 sell take drop wash cut open hang lift mend throw cover pack paint push pull burn2 count \
         weigh polish share borrow fold drag wrap bury",
    ),
    (
        Frame::Transitive,
        PERSON,
        &[Human, Animal],
        "help call meet feed greet teach chase heal praise catch trust save blame lead thank mock scold tame comfort tease",
    ),
    (Frame::Transitive, PERSON, &[Idea], "understand learn write believe invent explain finish repeat keep guess avoid break2"),
    (Frame::Transitive, &[Animal], BODY, "bite scratch guard2 lick sniff attack"),
    (Frame::Transitive, PERSON, &[Place], "build visit cross reach rule2 clean abandon describe"),
    (Frame::Ditransitive, PERSON, &[Thing, Food, Idea], "give show send bring offer lend promise2 return hand pay"),
    (Frame::Motion, ANIMATE, &[Place], "go come run walk arrive climb flee return2 hurry travel wander crawl ride"),
    (Frame::Clausal, PERSON, &[], "say think hope believe2 learn2 dream3 hear2 swear fear2 claim"),
    (Frame::Modal, PERSON, &[], "want can must try start dare"),
];

/// Adjectives by the kinds of noun that they describe.
pub const ADJECTIVES: &[(&[Kind], &str)] = &[
    (&[Human, Animal, Thing, Place, Food, Idea], "good big small new old bad other2 beautiful great strange same famous"),
    (
        &[Human, Animal],
        "young hungry tired happy brave strong sick blind angry clever thin calm wild gentle lazy proud weak deaf lame shy \
         cruel quick loyal restless",
    ),
    (&[Human], "rich poor wise honest kind lonely polite stubborn cheerful jealous patient modest greedy generous"),
    (&[Animal, Thing], "white black red grey brown spotted heavy light soft wet dry dirty clean2 rough smooth"),
    (&[Thing], "broken empty full wooden iron sharp round flat narrow golden cheap hollow rusty blunt thick square3"),
    (&[Food], "sweet fresh bitter salty ripe hot sour raw stale tasty rich2 spicy"),
    (&[Place], "far quiet deep wide high dark near cold green holy steep sandy distant crowded sunny windy"),
    (&[Idea], "true long short false sad simple hard ancient2 clear dull serious useful vain"),
];

/// Adverbs.
pub const ADVERBS: &str =
    "often today now always quickly slowly again here there well2 never yesterday soon badly together \
    quietly early late happily rarely gladly outside sometimes loudly suddenly carefully already still tomorrow alone \
    far2 secretly boldly sadly barely almost gently everywhere once twice daily honestly eagerly nearby abroad \
    blindly calmly fiercely";

/// Numerals.
pub const NUMERALS: &[&str] = &["two", "three", "four", "five", "six", "seven", "ten", "twelve"];

/// Determiners other than articles; `true` marks those of plural nouns alone.
pub const DETERMINERS: &[(&str, bool)] = &[
    ("this", false),
    ("that", false),
    ("my", false),
    ("your", false),
    ("our", false),
    ("another", false),
    ("many", true),
    ("all", true),
    ("some", true),
    ("few", true),
];

/// Numbers of invented names: women, men, places.
pub const NAMES: [usize; 3] = [24, 24, 16];
