    local a=$1 b=$2 rest
    while [ $b -ne 0 ]; do
        rest=$((a % b));
        a=$b;
        b=$rest;
    done
    echo $a
