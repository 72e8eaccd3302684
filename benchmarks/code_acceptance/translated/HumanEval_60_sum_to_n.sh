    local total=0 i=1;
    while [ $i -le $1 ]; do
        total=$((total + i));
        i=$((i + 1));
    done
    echo $total
