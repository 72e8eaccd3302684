    local text="$1"
    local n=0;
    while [ $n -lt ${#text} ]; do
        n=$((n + 1));
    done
    echo $n
