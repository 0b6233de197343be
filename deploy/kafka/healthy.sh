#!/usr/bin/env bash
# Exit 0 if the broker answers a client's first question and knows of a broker: then a controller has been
# elected and topics can be made. Bash alone: each of Kafka's own tools would start a JVM, every few seconds.
set -euo pipefail

# Metadata, version 1, for no topic: length 14, request 3, version 1, correlation 1, no client id, 0 topics.
request='\x00\x00\x00\x0e\x00\x03\x00\x01\x00\x00\x00\x01\xff\xff\x00\x00\x00\x00'

exec 3<>/dev/tcp/127.0.0.1/29092
printf "$request" >&3
# The answer begins with its length, the correlation and the number of brokers, 4 bytes each.
brokers=$(head -c 12 <&3 | tail -c 4 | od -An -tu1 | tr -d ' \n')
[ "${brokers:-0000}" != 0000 ]
