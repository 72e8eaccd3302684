    local value=$((1 % $2)) i=0;
    while [ $i -lt $1 ]; do
        value=$((value * 2 % $2));
        i=$((i + 1));
    done
    echo $value
