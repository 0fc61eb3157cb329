//! Expands a pattern with braces to names: `train-{000000..000150}.tar`, `{train,val}-{0..3}.tar`.

/// More shards than a plan of one part each can bear.
const MOST: usize = 1_000_000;

/// All names of a pattern, in its own order; a pattern without braces is one name.
///
/// # Errors
/// What is wrong with the pattern.
pub fn expand(pattern: &str) -> Result<Vec<String>, String> {
    let mut names = vec![String::new()];
    let mut rest = pattern;
    while let Some((plain, behind)) = rest.split_once('{') {
        let (choice, behind) = behind.split_once('}').ok_or("a brace is not closed")?;
        if choice.contains('{') {
            return Err("there are braces in braces".into());
        }
        let choices = choices(choice)?;
        if names.len() * choices.len() > MOST {
            return Err(format!("it names more than {MOST} shards"));
        }
        names = names
            .iter()
            .flat_map(|name| choices.iter().map(move |choice| format!("{name}{plain}{choice}")))
            .collect();
        rest = behind;
    }
    if rest.contains('}') {
        return Err("a brace is closed that was not opened".into());
    }
    names.iter_mut().for_each(|name| name.push_str(rest));
    Ok(names)
}

fn choices(choice: &str) -> Result<Vec<String>, String> {
    let Some((first, last)) = choice.split_once("..") else {
        if !choice.contains(',') {
            return Err(format!("`{{{choice}}}` is neither a range (`{{000..150}}`) nor a list (`{{a,b}}`)"));
        }
        return Ok(choice.split(',').map(str::to_owned).collect());
    };
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<u64>().ok().filter(|_| plain)
    };
    let (Some(from), Some(to)) = (number(first), number(last)) else {
        return Err(format!("`{{{choice}}}` is no range of numbers"));
    };
    if from > to {
        return Err(format!("`{{{choice}}}` goes backwards"));
    }
    if to - from >= MOST as u64 {
        return Err(format!("`{{{choice}}}` names more than {MOST} shards"));
    }
    // as a shell counts: a leading zero fixes the width
    let padded = [first, last].iter().any(|end| end.len() > 1 && end.starts_with('0'));
    let width = if padded { first.len().max(last.len()) } else { 0 };
    Ok((from..=to).map(|number| format!("{number:0width$}")).collect())
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn ranges_lists_and_products_are_expanded_in_order() {
        assert_eq!(expand("a.tar").unwrap(), ["a.tar"]);
        assert_eq!(expand("{008..011}.tar").unwrap(), ["008.tar", "009.tar", "010.tar", "011.tar"]);
        assert_eq!(expand("{9..11}.tar").unwrap(), ["9.tar", "10.tar", "11.tar"]);
        assert_eq!(expand("{b,a}-{0..1}").unwrap(), ["b-0", "b-1", "a-0", "a-1"]);
    }

    #[test]
    fn patterns_that_mean_nothing_are_refused() {
        for (pattern, word) in [
            ("{0..1", "not closed"),
            ("0..1}.tar", "not opened"),
            ("{a}", "neither"),
            ("{2..1}", "backwards"),
            ("{a..b}", "no range"),
            ("{-1..2}", "no range"),
            ("{0..99999999999}", "more than"),
            ("{0..9999}{0..9999}", "more than"),
            ("{a,{b,c}}", "braces in braces"),
        ] {
            let error = expand(pattern).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
