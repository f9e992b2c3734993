//! The family relations: two families of twelve with the same tree, and every case of a person, a relation and the
//! people who have that relation to the person.

/// All names. Men have even indices, women odd ones; the Italian at index `i + 12` corresponds to the English at index
/// `i`.
#[rustfmt::skip]
pub const NAMES: [&str; 24] = [
    "Christopher", "Penelope", "Andrew", "Christine", "Arthur", "Margaret",
    "James", "Victoria", "Charles", "Jennifer", "Colin", "Charlotte",
    "Roberto", "Maria", "Pierro", "Francesca", "Emilio", "Gina",
    "Marco", "Lucia", "Tomaso", "Angela", "Alfonso", "Sophia",
];

/// Husband, wife and their children, by index in either tree.
const MARRIAGES: [(usize, usize, &[usize]); 5] =
    [(0, 1, &[4, 7]), (2, 3, &[6, 9]), (4, 5, &[]), (6, 7, &[10, 11]), (8, 9, &[])];

/// The generation of each of the twelve positions in a tree.
pub const GENERATION: [usize; 12] = [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2];
/// The branch of the tree: Christopher's and Penelope's (0), Andrew's and Christine's (1), or the middle, which joins
/// both (2).
pub const BRANCH: [usize; 12] = [0, 0, 1, 1, 0, 0, 2, 2, 1, 1, 2, 2];

/// A question and its answers. People are indices into [`NAMES`]; relations are father, mother, husband, wife, son,
/// daughter, brother, sister, uncle, aunt, nephew, niece.
pub struct Case {
    pub person: usize,
    pub relation: usize,
    pub answers: Vec<usize>,
}

/// All 104 questions that have an answer.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for tree in [0, 12] {
        for person in 0..12 {
            for (i, kin) in kin(person).into_iter().enumerate() {
                for sex in [0, 1] {
                    let answers: Vec<usize> = kin.iter().filter(|who| *who % 2 == sex).map(|who| who + tree).collect();
                    if !answers.is_empty() {
                        cases.push(Case { person: person + tree, relation: 2 * i + sex, answers });
                    }
                }
            }
        }
    }
    cases
}

/// The relatives of a person by pairs of relations, men and women together.
fn kin(person: usize) -> [Vec<usize>; 6] {
    let of = |people: &[usize], relation: fn(usize) -> Vec<usize>| people.iter().flat_map(|&p| relation(p)).collect();
    let with_spouse = |p: usize| [vec![p], spouse(p)].concat();
    let uncles: Vec<usize> = of(&parents(person), siblings);
    let nephews: Vec<usize> = of(&of(&with_spouse(person), siblings), children);
    [parents(person), spouse(person), children(person), siblings(person), of(&uncles, with_spouse), nephews]
}

fn parents(person: usize) -> Vec<usize> {
    MARRIAGES
        .iter()
        .filter(|(.., children)| children.contains(&person))
        .flat_map(|&(man, woman, _)| [man, woman])
        .collect()
}

fn spouse(person: usize) -> Vec<usize> {
    let other = |&(man, woman, _): &(usize, usize, _)| match person {
        p if p == man => Some(woman),
        p if p == woman => Some(man),
        _ => None,
    };
    MARRIAGES.iter().filter_map(other).collect()
}

fn children(person: usize) -> Vec<usize> {
    MARRIAGES.iter().filter(|(man, woman, _)| [*man, *woman].contains(&person)).flat_map(|m| m.2).copied().collect()
}

fn siblings(person: usize) -> Vec<usize> {
    MARRIAGES.iter().map(|m| m.2).filter(|c| c.contains(&person)).flatten().copied().filter(|&c| c != person).collect()
}
