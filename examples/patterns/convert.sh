#!/bin/sh
# Stands for a long job: COUNT frames with a PAUSE after each, a line and a report of progress for every frame.
count=$1 pause=$2 frame=0
while [ "$frame" -lt "$count" ]; do
    frame=$((frame + 1))
    echo "frame $frame of $count"
    echo "{\"progress\": $(awk "BEGIN { print $frame / $count }"), \"message\": \"frame $frame\"}"
    sleep "$pause"
done
