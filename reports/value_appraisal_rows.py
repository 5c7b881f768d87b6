"""Appraisals of scores, and random baselines, as rows: exact ones for programs, and a text for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from scaling.formatting import format_interval, format_number, format_percent, format_plural, format_whole
from scaling.serial import plain

_MEASURES = ("spearman", "kendall", "pearson", "partial", "isotonic_r2")
_HEADS = ("Spearman", "Kendall", "Pearson", "partial", "isotonic R2")
SETTINGS = ("measure", "level", "bootstrap", "permutations", "seed", "interval_method")


def appraisal_row(answer: Any) -> dict[str, Any]:
    """Return an appraisal as one row object.

    Parameters
    ----------
    answer : db.value_appraisals.AppraisalAnswer
        What came of a table.

    Returns
    -------
    dict
        Keys as docs/appraisal.md lists them. Lists hold what was found in each regime of the table, in ``part``.
    """
    table, parts = answer.table, answer.parts
    said = [(part, part.appraisal.to_dict()) for part in parts]
    lists = {
        key: [{"part": part.subsets.regime, **one} for part, table in said for one in table[key]]
        for key in ("relations", "best", "over_optimised", "spreads")
    }
    fits = [
        {"part": part.subsets.regime, "objective": objective, "name": one.name, "fit_id": one.fit_id,
         "verdict": one.fit.verdict, "estimates": dict(one.fit.estimates)}
        for part in parts for objective, one in part.saved.items()
    ]  # fmt: skip
    notes = [*table.notes, *(note for part in parts for note in _notes(part, len(parts) > 1))]
    return {
        "appraisal": answer.name,
        "source": table.source,
        "performance": table.performance,
        "higher_is_better": table.higher_is_better,
        "n": sum(part.appraisal.n for part in parts),
        "n_random": sum(part.appraisal.n_random for part in parts),
        "objectives": list(parts[0].appraisal.objectives),
        **lists,
        "highest": [one for part in parts for one in _highest(part)],
        "missing": [
            {"part": part.subsets.regime, "regime": regime, "why": why}
            for part in parts for regime, why in part.appraisal.missing.items()
        ],
        "fits": fits,
        "notes": notes,
        **{key: said[0][1][key] for key in SETTINGS},
        "command": answer.command,
    }  # fmt: skip


def relation_rows(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return correlations as flat rows: one an objective, regime and kind of subsets."""
    out = []
    for one in row["relations"]:
        flat = {key: one[key] for key in ("part", "objective", "regime", "subsets", "n", "strata")}
        for measure in _MEASURES:
            value, low, high = (one[measure][key] for key in ("value", "low", "high"))
            flat |= {measure: value, f"{measure}_low": low, f"{measure}_high": high}
        out.append(flat)
    return out


def appraisal_text(row: Mapping[str, Any]) -> str:
    """Return an appraisal as a text: what predicts, up to where, the correlations, and random subsets."""
    from reports.terminal import render

    way = "higher is better" if row["higher_is_better"] else "lower is better"
    said = row["performance"] or "performance"
    lines = [f"{format_plural(row['n'], 'subset')}, {row['n_random']} of them at random; {said} ({way})", ""]
    lines += [_of(one, one["verdict"]) for one in row["best"]]
    lines += ["", *(_of(one, one["verdict"]) for one in row["over_optimised"])]
    lines += ["", render(_shown(row), "table").rstrip("\n")]
    if same := dict.fromkeys(one["regime"] for one in row["relations"] if _is_pooled(one, row["relations"])):
        lines.append(f"{', '.join(same)}: the same subsets as pooled")
    if spreads := [one for one in row["spreads"] if len({s["size"] for s in row["spreads"]}) <= 3]:
        lines += ["", "random subsets", render(_spreads_shown(spreads), "table").rstrip("\n")]
    if row["highest"]:
        lines += ["", "highest scores that are not random", render(_highest_shown(row), "table").rstrip("\n")]
    lines += [_of(one, f"no regime '{one['regime']}': {one['why']}") for one in row["missing"]]
    lines += [f"note: {note}" for note in row["notes"]]
    lines.append(
        f"{format_percent(row['level'])} intervals ({row['interval_method']}), {row['bootstrap']} replicates, "
        f"seed {row['seed']}"
    )
    if row["appraisal"] is not None:
        names = ", ".join(one["name"] for one in row["fits"]) or "none"
        lines.append(f"saved as {row['appraisal']}; bent lines as fits and SQL macros: {names}")
    return "\n".join(lines)


def baseline_row(found: Any, name: str | None, command: str) -> dict[str, Any]:
    """Return random baselines as one row object.

    Parameters
    ----------
    found : db.value_baselines.Baselines
        What was scored.
    name : str, optional
        Of the appraisal that it was saved as.
    command : str
        That makes it again.

    Returns
    -------
    dict
        Keys as docs/appraisal.md lists them.
    """
    return {"appraisal": name, **found.to_dict(), "command": command}


def curve_rows(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the curves of random subsets as flat rows: one an objective and size."""
    return [
        {
            "objective": one["objective"], "order": one["order"], "size": size, "draws": len(scores), "mean": mean,
            "sd": _sd(scores), "curve": level,
        }
        for one in row["baselines"]
        for size, scores, mean, level in zip(
            *(one["curve"][key] for key in ("sizes", "scores", "means", "monotone")), strict=True
        )
    ]  # fmt: skip


def baseline_text(row: Mapping[str, Any], found: Any) -> str:
    """Return random baselines as a text: a table of each curve, and where the subset lies."""
    from reports.terminal import render

    kind = "class-balanced random subsets" if row["balanced"] else "random subsets"
    lines = [f"{kind} of {row['data']}, {format_plural(row['n'], 'example')}; {row['draws']} draws a size"]
    for one, made in zip(row["baselines"], found.baselines, strict=True):
        mine = [
            line for line in curve_rows(row) if (line["objective"], line["order"]) == (one["objective"], one["order"])
        ]
        shown = [
            {"size": format_whole(line["size"]), made.objective: format_number(line["mean"]),
             "sd": format_number(line["sd"], 2) if line["sd"] is not None else "one set"}
            for line in mine
        ]  # fmt: skip
        lines += ["", render(shown, "table").rstrip("\n")]
        if made.worth is not None:
            share = f", {format_number(made.worth.size / row['size'], 3)} for one" if _inside(made.worth.size) else ""
            lines.append(f"{row['subset']} ({format_plural(row['size'], 'example')}): {made.worth!r}{share}")
        if made.band is not None:
            lines.append(f"{made.band!r}\nit lies {format_number(made.z, 3)} sd above them")
    lines += [f"note: {note}" for note in row["notes"]]
    if row["appraisal"] is not None:
        lines.append(f"saved as {row['appraisal']}")
    return "\n".join(lines)


def _notes(part: Any, several: bool) -> list[str]:
    """Say what an appraisal cannot tell, and why."""
    subsets, found = part.subsets, part.appraisal
    out = list(found.notes)
    if subsets.is_random is None:
        out.append(
            "which subsets are random is not known (--random): there is no band, no z and no worth in random examples"
        )
    elif not found.n_random:
        out.append("no subset is random: there is no band, no z and no worth in random examples")
    elif not found.spreads:
        out.append("no size has three random subsets: there is no band and no z")
    elif len({one.size for one in found.spreads}) < 3:
        out.append("random subsets have fewer than three sizes: what a score is worth in random examples is not known")
    if len(set(subsets.size.tolist())) == 1:
        out.append(f"all subsets have {format_number(subsets.size[0])} members: what size does is not in the data")
    still = [name for name, score in subsets.scores.items() if len({s for s in score.tolist() if s == s}) < 2]  # noqa: PLR0124
    out += [f"'{name}' is the same for all subsets and predicts nothing" for name in still]
    return [f"{subsets.regime}: {note}" for note in out] if several else out


def _highest(part: Any) -> list[dict[str, Any]]:
    """Find the subset that was not drawn at random and scores highest, by each objective."""
    subsets = part.subsets
    out: list[dict[str, Any]] = []
    if subsets.is_random is None:
        return out
    sign = 1 if part.appraisal.better == "higher" else -1
    spreads = {one.size: one for one in part.appraisal.spreads if one.of == "performance"}
    pushed = [i for i in part.appraisal.rows if not subsets.is_random[i]]
    for objective, score in subsets.scores.items():
        if not pushed:
            continue
        best = max(pushed, key=lambda i: score[i])
        random = spreads.get(float(subsets.size[best]))
        gain = sign * (subsets.performance[best] - random.mean) / random.sd if random and random.sd > 0 else math.nan
        row = {
            "part": subsets.regime, "objective": objective, "subset": subsets.names[best],
            "size": float(subsets.size[best]), "score": float(score[best]),
            "z_random": float(part.z_random[objective][best]), "n_eq": float(part.n_eq[objective][best]),
            "performance": float(subsets.performance[best]), "performance_z": float(gain),
        }  # fmt: skip
        out.append(plain(row))
    return out


def _of(one: Mapping[str, Any], text: str) -> str:
    return text if one["part"] is None else f"[{one['part']}] {text}"


def _table(one: Mapping[str, Any], among: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Name the table of a line, where there are several."""
    return {"table": one["part"]} if len({other["part"] for other in among}) > 1 else {}


def _shown(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return correlations as people read them."""
    out = []
    for one in row["relations"]:
        if _is_pooled(one, row["relations"]):
            continue
        line = _table(one, row["relations"])
        line |= {"objective": one["objective"], "regime": one["regime"], "subsets": one["subsets"], "n": one["n"]}
        for measure, head in zip(_MEASURES, _HEADS, strict=True):
            line[head] = _coefficient(one[measure], short=measure == "isotonic_r2")
        out.append(line)
    return out


def _is_pooled(one: Mapping[str, Any], relations: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether a regime has the subsets of the pooled one, all of one size or budget: it says nothing more."""
    return one["regime"] != "pooled" and any(
        other["regime"] == "pooled" and one["strata"] == 1
        and all(one[key] == other[key] for key in ("part", "objective", "subsets", "n"))
        for other in relations
    )  # fmt: skip


def _coefficient(one: Mapping[str, Any], *, short: bool = False) -> str:
    if one["value"] is None:
        return "none"
    value = format_number(one["value"], 2)
    return value if short else f"{value} ({format_interval(one['low'], one['high'])})"


def _spreads_shown(spreads: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        _table(one, spreads)
        | {
            "of": one["of"],
            "size": format_whole(one["size"]),
            "n": one["n"],
            "mean": format_number(one["mean"]),
            "sd": format_number(one["sd"], 3),
            "lowest to highest": format_interval(one["low"], one["high"]),
        }
        for one in spreads
    ]


def _highest_shown(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    def text(value: float | str | None) -> str:
        if isinstance(value, str):
            return "more than any"
        return "unknown" if value is None else format_number(value, 3)

    return [
        _table(one, row["highest"])
        | {
            "objective": one["objective"], "subset": one["subset"], "score": format_number(one["score"]),
            "sd above random": text(one["z_random"]), "worth in random": text(one["n_eq"]),
            "performance": format_number(one["performance"]), "sd above": text(one["performance_z"]),
        }
        for one in row["highest"]
    ]  # fmt: skip


def _sd(scores: Sequence[float]) -> float | None:
    if len(scores) < 2:
        return None
    mean = sum(scores) / len(scores)
    return math.sqrt(sum((s - mean) ** 2 for s in scores) / (len(scores) - 1))


def _inside(size: float) -> bool:
    return 0 < size < math.inf
