package org.javatuples;

public final class Quintet<A, B, C, D, E> extends Tuple {
    public Quintet(A value0, B value1, C value2, D value3, E value4) { super(value0, value1, value2, value3, value4); }
    public static <A, B, C, D, E> Quintet<A, B, C, D, E> with(A value0, B value1, C value2, D value3, E value4) { return new Quintet<>(value0, value1, value2, value3, value4); }
    @SuppressWarnings("unchecked") public A getValue0() { return (A) getValue(0); }
    @SuppressWarnings("unchecked") public B getValue1() { return (B) getValue(1); }
    @SuppressWarnings("unchecked") public C getValue2() { return (C) getValue(2); }
    @SuppressWarnings("unchecked") public D getValue3() { return (D) getValue(3); }
    @SuppressWarnings("unchecked") public E getValue4() { return (E) getValue(4); }
}
