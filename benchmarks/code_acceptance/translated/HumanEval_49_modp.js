  let value = 1 % p;
  for (let i = 0; i < n; i += 1) {
    value = value * 2 % p;
  }
  return value;
}
