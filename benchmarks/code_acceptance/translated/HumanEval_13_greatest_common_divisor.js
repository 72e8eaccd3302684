  while (b != 0) {
    const rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}
