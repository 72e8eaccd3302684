  if (n < 2) return false;
  for (let d = 2; d * d <= n; d += 1) {
    if (n % d == 0) return false;
  }
  return true;
}
