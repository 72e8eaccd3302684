    local balance=0 change
    for change in $1; do
        balance=$((balance + change));
        if [ $balance -lt 0 ]; then echo true; return; fi
    done
    echo false
