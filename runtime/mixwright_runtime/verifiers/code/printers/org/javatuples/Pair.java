package org.javatuples;

public final class Pair<A, B> extends Tuple {
    public Pair(A value0, B value1) { super(value0, value1); }
    public static <A, B> Pair<A, B> with(A value0, B value1) { return new Pair<>(value0, value1); }
    @SuppressWarnings("unchecked") public A getValue0() { return (A) getValue(0); }
    @SuppressWarnings("unchecked") public B getValue1() { return (B) getValue(1); }
}
