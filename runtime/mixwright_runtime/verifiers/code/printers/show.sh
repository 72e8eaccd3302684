# Prints the value of one test as a record that the caller reads: RS number US text GS newline.
mixwright_show() {
    builtin printf '\036%d\037%s\035\n' "$1" "$2"
}
