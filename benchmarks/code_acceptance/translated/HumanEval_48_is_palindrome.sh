    local text="$1"
    local i=0 j=$((${#text} - 1));
    while [ $i -lt $j ]; do
        if [ "${text:$i:1}" != "${text:$j:1}" ]; then echo false; return; fi
        i=$((i + 1));
        j=$((j - 1));
    done
    echo true
