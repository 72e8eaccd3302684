// What tests of the MultiPL-E family use of org.javatuples, for machines that do not have it.
package org.javatuples;

import java.util.Arrays;
import java.util.Iterator;
import java.util.List;

abstract class Tuple implements Iterable<Object> {
    private final List<Object> values;
    Tuple(Object... values) { this.values = Arrays.asList(values); }
    public Object getValue(int at) { return values.get(at); }
    public int getSize() { return values.size(); }
    public List<Object> toList() { return values; }
    @Override public Iterator<Object> iterator() { return values.iterator(); }
    @Override public boolean equals(Object other) {
        return other != null && other.getClass() == getClass() && ((Tuple) other).values.equals(values);
    }
    @Override public int hashCode() { return values.hashCode(); }
    @Override public String toString() { return values.toString(); }
}
