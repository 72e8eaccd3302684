"""Answers that explode in computer algebra, given to `verify math` between ordinary pairs: does the pool go on?

    python benchmarks/math_bombs.py [--workers N]

Printed are what became of each bomb and how long it took, and when the ordinary pairs that were asked at the same time
were done. A bomb must never count as equal, and never as an error of the verifier.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import Counter

from mixwright_runtime.verifiers.math.equivalence import Equivalence
from mixwright_runtime.workers.pool import WorkerPool

WORDS = ["alpha", "beta", "gamma", "delta"]


def bombs() -> dict[str, tuple[str, str]]:
    """Right answer and bomb, by name. Each is written so that neither text nor number can tell."""
    nested = "x"
    for n in range(30):
        nested = rf"\frac{{{n + 1}}}{{1+{nested}}}"
    many = "+".join(rf"\sqrt{{{n}}}" for n in range(2, 90))
    return {
        "power tower": ("1", "9^{9^{9^{9}}}"),
        "power tower, spaced": ("x", "7 ^ { 7 ^ { 7 ^ 7 } }"),
        "power of a power": ("1", "((9^9)^9)^{9^9}"),
        "huge exponent": ("x+1", "2^{123456789012}"),
        "huge exponent of a variable": ("x", "(x+1)^{99999}"),
        "expand": ("x", "(a+b+c+d+e+f)^{60}"),
        "expand against expand": ("(a+b+c+d)^{25}", "(a+b+c+d)^{24}(d+c+b+a+1)"),
        "factorial of a power": ("1", "(10^9)!"),
        "factorials": ("1", "100!!!"),
        "factorial of a factorial": ("1", "((9!)!)!"),
        "large factorial": ("x", "99999999!"),
        "binomial": ("1", r"\binom{10^{12}}{5\cdot 10^{11}}"),
        "sum": ("1", r"\sum_{n=1}^{10^{12}} \frac{1}{n^2+n+1}"),
        "nested sums": ("1", r"\sum_{i=1}^{900}\sum_{j=1}^{900}\sum_{k=1}^{900} \frac{1}{i^2+j^3+k}"),
        "product": ("1", r"\prod_{n=1}^{10^9} (1+\frac{1}{n^2})"),
        "integral": ("1", r"\int_0^1 \frac{\sin(x^x)\ln(1+x^5)}{\sqrt{1+x^{17}}} dx"),
        "nested integrals": ("1", r"\int_0^1\int_0^1\int_0^1 e^{xyz\sin(x+y+z)} dx dy dz"),
        "limit": ("1", r"\lim_{x\to 0} \frac{\sin(\tan(\sin(\tan x)))-\tan(\sin(\tan(\sin x)))}{x^{19}}"),
        "equation": ("x^7-x^5+3x^2=x-11", "x^{31}-x^{17}+x^{11}=x^5-x+7"),
        "transcendental equation": (r"e^x+x=\sin x", r"x^x+\ln x=\cos(x^2)"),
        "trigonometry": (r"\sin(x)", r"\sin(17\cos(13\sin(11\cos(7\tan(5x+3y)+z)+w)+v)+u)"),
        "powers of sines": ("1", r"(\sin x+\cos y)^{80}(\sin y-\cos x)^{80}"),
        "radicals": (r"\sqrt{2}", many),
        "nested radicals": ("3", r"\sqrt{2+" * 38 + "2" + "}" * 38),
        "nested fractions": ("1", nested),
        "brackets": ("1", "(" * 400 + "x" + ")" * 400),
        "brackets, many": ("x", "(" * 20_000 + "x" + ")" * 20_000),
        "set": (
            r"\{" + ",".join(f"x_{{{n}}}" for n in range(120)) + r"\}",
            r"\{" + ",".join(f"y_{{{n}}}" for n in range(120)) + r"\}",
        ),
        "matrix": (
            r"\det(A)",
            r"\begin{vmatrix}"
            + r"\\".join("&".join(f"x^{i * j % 7}" for j in range(11)) for i in range(11))
            + r"\end{vmatrix}",
        ),
        "matrix power": ("1", r"\begin{pmatrix}1&x\\y&2\end{pmatrix}^{99999}"),
        "long sum": ("1", "+".join(f"a_{n}" for n in range(5_000))),
        "digits": ("x", "9" * 200_000),
        "long text": ("1", " ".join(WORDS * 150_000)),
        "decimal of many places": ("x", "0." + "3" * 290 + "^{0." + "7" * 290 + "}"),
        "logarithm": ("1", r"\log_{\log_{\log_{3}{5}}{7}}{10^{10^{7}}}"),
        "modulus": ("1", r"7^{7^{77777}} \mod 1000"),
        "gcd": ("7", r"\gcd(2^{99999}-1, 3^{99999}-1)"),
        "derivative": ("1", r"\frac{d^{40}}{dx^{40}} \sin(x^2)\cos(x^3)e^{x}"),
        "inequality": ("x>3", r"x^9-x^7+3x^4-x+1>\sin(x)+e^x"),
        "braces": ("1", "{" * 5_000),
        "commas": ("1,2,3", "," * 900),
    }  # fmt: skip


def ordinary() -> list[tuple[str, str, str]]:
    pairs = [(rf"\sqrt{{{2 * n * n}}}", rf"{n}\sqrt{{2}}", "equal") for n in range(2, 40)]
    return pairs + [(rf"{n}x+1", rf"{n + 1}x+1", "different") for n in range(2, 40)]


async def report(workers: int) -> None:
    pool = WorkerPool(workers)
    equivalence = Equivalence(lambda: pool)
    start = time.monotonic()
    took: dict[str, tuple[str, float, str]] = {}

    async def bomb(name: str, gold: str, found: str) -> None:
        begun = time.monotonic()
        outcome = await equivalence.compare(gold=gold, found=found)
        reason = str(outcome.evidence.get("reason", ""))
        took[name] = (outcome.outcome, time.monotonic() - begun, reason)

    async def pair(gold: str, found: str, expected: str) -> tuple[bool, float]:
        outcome = (await equivalence.compare(gold=gold, found=found)).outcome
        return outcome == expected, time.monotonic() - start

    ready = await equivalence.compare(gold=r"\sqrt{3}", found=r"3^{\frac{1}{2}}")
    assert ready.outcome == "equal"
    start = time.monotonic()
    queued = [asyncio.create_task(bomb(name, *texts)) for name, texts in bombs().items()]
    others = [asyncio.create_task(pair(*texts)) for texts in ordinary()]
    results = await asyncio.gather(*others)
    await asyncio.gather(*queued)
    everything = time.monotonic() - start
    await pool.close()
    for name, (outcome, seconds, reason) in sorted(took.items(), key=lambda one: -one[1][1]):
        print(f"{name:28} {outcome:12} {seconds:6.2f} s since asked  {reason}")
    print(f"{len(took)} bombs: {dict(Counter(outcome for outcome, _, _ in took.values()))}")
    right, last = sum(is_right for is_right, _ in results), max(seconds for _, seconds in results)
    print(
        f"{right} of {len(results)} ordinary pairs right, the last after {last:.1f} s; all after {everything:.1f} s"
    )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    asyncio.run(report(parser.parse_args().workers))


if __name__ == "__main__":
    main()
