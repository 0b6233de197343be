#!/usr/bin/env bash
# Exit 0 if ZooKeeper says that it serves. Bash alone: the image's own tools would start a JVM each time.
set -euo pipefail

exec 3<>/dev/tcp/127.0.0.1/2181
printf ruok >&3
[ "$(head -c 4 <&3)" = imok ]
