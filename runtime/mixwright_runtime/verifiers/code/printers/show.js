// Prints the value of one test as a record that the caller reads: RS number US json GS newline.
const mixwright = (() => {
  const { writeSync } = require('node:fs');
  const stringify = JSON.stringify;
  function form(value, depth) {
    if (depth > 40) throw new Error('more than 40 levels deep');
    if (value === undefined || value === null) return null;
    switch (typeof value) {
      case 'boolean': case 'string': return value;
      case 'number': return Number.isFinite(value) ? value : { number: Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf' };
      case 'bigint': return { integer: value.toString() };
      case 'object': break;
      default: return { opaque: typeof value };
    }
    if (Array.isArray(value)) return Array.from(value, (item) => form(item, depth + 1));
    if (value instanceof Set) return { set: Array.from(value, (item) => form(item, depth + 1)) };
    if (value instanceof Map) return { map: Array.from(value, ([k, v]) => [form(k, depth + 1), form(v, depth + 1)]) };
    if (value instanceof Number || value instanceof String || value instanceof Boolean) return form(value.valueOf(), depth + 1);
    return { map: Object.entries(value).map(([k, v]) => [k, form(v, depth + 1)]) };
  }
  function write(number, text) {
    const bytes = Buffer.from(`\x1e${number}\x1f${text}\x1d\n`);
    for (let at = 0; at < bytes.length;) at += writeSync(1, bytes, at);
  }
  return {
    show(number, value) {
      try { write(number, stringify(form(value(), 0))); }
      catch (error) { write(number, stringify({ raised: String(error) })); }
    },
  };
})();
