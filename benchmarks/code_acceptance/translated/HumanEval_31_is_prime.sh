    local n=$1
    if [ $n -lt 2 ]; then echo false; return; fi
    local d=2;
    while [ $((d * d)) -le $n ]; do
        if [ $((n % d)) -eq 0 ]; then echo false; return; fi
        d=$((d + 1));
    done
    echo true
