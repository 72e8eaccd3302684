    local total=$1;
    total=$((total + $2));
    echo $total
