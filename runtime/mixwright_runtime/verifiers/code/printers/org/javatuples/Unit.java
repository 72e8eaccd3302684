package org.javatuples;

public final class Unit<A> extends Tuple {
    public Unit(A value0) { super(value0); }
    public static <A> Unit<A> with(A value0) { return new Unit<>(value0); }
    @SuppressWarnings("unchecked") public A getValue0() { return (A) getValue(0); }
}
