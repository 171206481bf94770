"""The evidence of a resolution as one page: what the model weighs, how the scores lie, which customers are doubtful.

After the charts by which Splink shows a model (match weights, score histogram), in one HTML file that loads nothing.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from cdap.linkage.config import LinkageConfig
from cdap.linkage.fields import EQUAL, KINDS, SWAPPED, kind_of
from cdap.linkage.links import role
from cdap.linkage.model import CLASSES, Model
from cdap.linkage.resolve import Resolution

# Of a kind's levels, strongest first, in words.
LEVELS = {
    "first": ("nearly equal, one of them rare", "a short form or a nickname", "alike", "same initial"),
    "last": ("nearly equal, one of them rare", "alike or one within the other"),
    "middle": ("same initial", "alike"),
    "dob": ("one digit off, or day and month changed round", "two of three parts", "two digits off"),
    "year": ("one year off", "two years or one digit off"),
    "email": ("at most two characters off", "same mailbox elsewhere"),
    "phone": ("one digit off", "two digits off"),
    "street": ("same number, alike", "alike"),
    "city": ("alike",),
    "postcode": ("one character off", "same area"),
    "id": ("one character off", "two characters off"),
    "cat": ("alike",),
}
DOUBTFUL, SHOWN_RECORDS = 25, 8
WIDEST = 300
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1d2433 }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }
table { border-collapse: collapse } td:nth-child(2) { white-space: nowrap }
td, th { padding: .15rem .6rem; text-align: left; vertical-align: top }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums } tr.first td { border-top: 1px solid #d8dce5 }
p.about { color: #5a6478; max-width: 46rem } .for { fill: #2b7a78 } .against { fill: #c8553d }
"""


def evidence_page(found: Resolution, config: LinkageConfig, title: str) -> str:
    """The page as HTML. `found` must have been asked to tell its links."""
    report = found.report
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{report['records']:,} records are {report['customers']:,} customers in {report['households']:,} "
        f"households. {report['pairs']:,} pairs were compared by {report['keys']:,} keys{_recall(report)}; "
        f"the model was trained on {report['model'].get('records', 0):,} records and "
        f"{'converged' if report['model'].get('converged') else 'did <b>not</b> converge'} in "
        f"{report['model'].get('rounds', 0)} rounds.</p>",
        _weights(found.model, config),
        _classes(found.model, int(report["model"].get("records", 0))),
        _scores(found),
        _sizes(Counter(of.customer_id for of in found.assignments)),
        _doubtful(found),
        _junk(report["junk"]),
        _nicknames(report["nicknames"]),
    ]
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def _recall(report: Mapping[str, Any]) -> str:
    """Empty for a day's changes, whose pairs are few."""
    recall = report.get("recall_of_keys")
    return "" if recall is None else f", which propose an estimated {recall:.1%} of those of one person"


def _weights(model: Model, config: LinkageConfig) -> str:
    lines = []
    for name in model.fields:
        for place, (label, person, strangers) in enumerate(_levels(model, name)):
            bits = math.log2(person / strangers)
            first = ' class="first"' if place == 0 else ""
            lines.append(
                f"<tr{first}><td>{escape(role(name, config)) if place == 0 else ''}</td><td>{escape(label)}</td>"
                f'<td class="n">{person:.2%}</td><td class="n">{strangers:.3%}</td><td class="n">{bits:+.1f}</td>'
                f"<td>{_bar(bits, 20.0)}</td></tr>"
            )
    return _section(
        "What agreement weighs",
        "Of each field how two values compare, in what share of the pairs of one person and of strangers, and the bits "
        "that this speaks for one person. Equal values weigh more the rarer they are. Beside members of a household a "
        "field that they share weighs less.",
        ("field", "values", "#one person", "#strangers", "#bits", ""),
        lines,
    )


def _levels(model: Model, name: str) -> Iterator[tuple[str, float, float]]:
    """Each level of a field in words, with its chance in a person's pair and in a strangers'; the strongest last."""
    labels = LEVELS.get(kind_of(name), ())
    levels = len(KINDS[kind_of(name)].levels)
    for code, person, strangers in zip(model.codes[name], model.person[name], model.strangers[name], strict=True):
        if code >= EQUAL:
            # Buckets are half-decades of frequency.
            label = f"equal, a value that one in {10 ** ((code - EQUAL) / 2):,.0f} has"
        elif code == SWAPPED:
            label = "first and last name in each other's place"
        else:
            label = labels[levels - code] if code else "differ"
        yield label, float(person) + 1e-9, float(strangers) + 1e-9


def _classes(model: Model, records: int) -> str:
    pairs = records * (records - 1) / 2
    rows = [
        f'<tr><td>{of}</td><td class="n">{share * pairs / max(records, 1) * 1000:,.0f}</td></tr>'
        for of, share in zip(CLASSES, model.shares.tolist(), strict=True)
    ]
    about = "Pairs of each kind for a thousand records, as the model has learned."
    return _section("What pairs there are", about, ("pairs of", "#per 1,000 records"), rows)


def _scores(found: Resolution) -> str:
    bins: defaultdict[int, Counter[bool]] = defaultdict(Counter)
    for link in found.links:
        if link.bits is not None:
            bins[math.floor(link.bits)][link.holds] += 1
    most = max((sum(counts.values()) for counts in bins.values()), default=1)
    rows = [
        f'<tr><td class="n">{floor:+d} to {floor + 1:+d}</td><td class="n">{bins[floor][True]:,}</td>'
        f'<td class="n">{bins[floor][False]:,}</td><td>{_stacked(bins[floor], most)}</td></tr>'
        for floor in sorted(bins)
    ]
    return _section(
        "How the scores lie",
        "Pairs of records by the bits that speak for one person, from nearly enough on. A pair above zero is in two "
        "customers where other records outweigh it or a constraint forbids it. Much around zero means that the columns "
        "do not tell enough.",
        ("#bits", "#one customer", "#two", ""),
        rows,
    )


def _sizes(customers: Counter[str]) -> str:
    sizes = Counter(customers.values())
    most = math.log10(max(sizes.values(), default=1) + 1)
    rows = [
        f'<tr><td class="n">{size:,}</td><td class="n">{count:,}</td>'
        f"<td>{_svg([('for', 0, WIDEST * math.log10(count + 1) / most)])}</td></tr>"
        for size, count in sorted(sizes.items())
    ]
    return _section("How large customers are", "", ("#records", "#customers", "(logarithmic)"), rows)


def _doubtful(found: Resolution) -> str:
    members: defaultdict[str, list[str]] = defaultdict(list)
    chance: dict[str, float] = {}
    for of in found.assignments:
        members[of.customer_id].append(of.unique_id)
        chance[of.customer_id] = of.cluster_probability
    several = [customer for customer, records in members.items() if len(records) > 1]
    least_sure = sorted(several, key=lambda customer: (chance[customer], customer))[:DOUBTFUL]
    largest = sorted(several, key=lambda customer: (-len(members[customer]), customer))[: DOUBTFUL // 5]
    rows = [
        f'<tr{" class=first" if place == len(least_sure) else ""}><td class="n">{chance[customer]:.3f}</td>'
        f'<td class="n">{len(members[customer])}</td><td>{escape(_listed(members[customer]))}</td></tr>'
        for place, customer in enumerate([*least_sure, *largest])
    ]
    return _section(
        "Customers to look at",
        "Those that are least sure, then the largest. The chance is that of two of their records to be of one person, "
        "the mean of all of them.",
        ("#chance", "#records", ""),
        rows,
    )


def _listed(records: Sequence[str]) -> str:
    more = len(records) - SHOWN_RECORDS
    return ", ".join(records[:SHOWN_RECORDS]) + (f" and {more} more" if more > 0 else "")


def _junk(junk: Sequence[dict[str, object]]) -> str:
    rows = [
        f'<tr><td>{escape(str(of["field"]))}</td><td class="n">{of["records"]:,}</td>'
        f"<td>{escape(str(of['value']))}</td></tr>"
        for of in junk
    ]
    about = "They go with too many surnames, are far too frequent, or stand where a name should."
    return _section("Values that say nothing", about, ("field", "#records", "value"), rows) if rows else ""


def _nicknames(found: Sequence[Sequence[str]]) -> str:
    rows = [f"<tr><td>{escape(a)}</td><td>{escape(b)}</td></tr>" for a, b in found]
    about = "They stand for one another in records that everything else says are of one person."
    return _section("First names that are one", about, ("", ""), rows) if rows else ""


def _section(title: str, about: str, heads: Sequence[str], rows: Iterable[str]) -> str:
    """A table below its title; heads of numbers begin with a `#`."""
    cells = "".join(f'<th class="n">{head[1:]}</th>' if head.startswith("#") else f"<th>{head}</th>" for head in heads)
    said = f'<p class="about">{about}</p>' if about else ""
    return f"<h2>{title}</h2>{said}<table><tr>{cells}</tr>{''.join(rows)}</table>"


def _bar(bits: float, most: float) -> str:
    width = min(abs(bits), most) / most * WIDEST / 2
    return _svg([("for", WIDEST / 2, width) if bits >= 0 else ("against", WIDEST / 2 - width, width)])


def _stacked(counts: Counter[bool], most: int) -> str:
    one, two = (WIDEST * counts[holds] / most for holds in (True, False))
    return _svg([("for", 0, one), ("against", one, two)])


def _svg(bars: Sequence[tuple[str, float, float]]) -> str:
    drawn = "".join(
        f'<rect class="{of}" x="{at:.1f}" y="2" width="{max(width, 0.5):.1f}" height="12"/>'
        for of, at, width in bars
        if np.isfinite(width) and width > 0
    )
    return f'<svg width="{WIDEST}" height="16" role="img">{drawn}</svg>'
