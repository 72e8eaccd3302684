  let n = 0;
  for (const c of string) {
    n += 1;
  }
  return n;
}
