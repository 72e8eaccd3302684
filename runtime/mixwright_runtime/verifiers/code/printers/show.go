// Prints the value of one test as a record that the caller reads: RS number US json GS newline.
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

func mixwrightShow(number int, value func() interface{}) {
	defer func() {
		if raised := recover(); raised != nil {
			mixwrightWrite(number, map[string]string{"raised": fmt.Sprint(raised)})
		}
	}()
	// The tests compare values as fmt prints them; so does the caller.
	mixwrightWrite(number, fmt.Sprintf("%v", value()))
}

func mixwrightWrite(number int, value interface{}) {
	text, _ := json.Marshal(value)
	fmt.Fprintf(os.Stdout, "\x1e%d\x1f%s\x1d\n", number, text)
}
