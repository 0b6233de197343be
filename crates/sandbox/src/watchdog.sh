# Runs one server and makes sure that it never outlives its owner.
#
# Arguments: the signal for the end, the server's folder, its log file, then its command.
# Standard input: orders from the owner, one a line: a signal's name, or `leave`.
# Standard output: the server's pid, and nothing more. The server keeps that pipe open, as
# descriptor 3, and this script closes it: so the owner reads to its end exactly when the server
# and all its children are gone.
#
# The owner's death, however it comes, closes standard input. Only this script signals the server:
# it is the parent, so the pid cannot belong to anyone else yet.

last_signal=$1 folder=$2 log=$3
shift 3

"$@" 3>&1 </dev/null >>"$log" 2>&1 &
server=$!
echo "$server"
exec >/dev/null

while read -r order; do
    case $order in
        leave) exit 0 ;; # the server is gone; its folder stays for the next one
        *) kill -s "$order" "$server" ;;
    esac
done

kill -s "$last_signal" "$server"
wait "$server"
rm -rf "$folder"
