/** Bytes, ends and statuses of commands. */
import type { Scenario } from '../scenario.ts'

const sizes = '0 1 32767 32768 32769 1000000'

export const streams: readonly Scenario[] = [
  {
    name: 'what goes in comes out, at every size around a packet and a window',
    script: `
open_master
for n in ${sizes}; do some $n | over cat | digest; done
close_master
some 20000000 | on cat | digest
sha256sum <"$FILES/random"`,
    says: /^(\w{64}\n){7}\w{64} {2}-\n$/,
  },
  {
    name: 'both streams out, in every mixture of sizes, keep their bytes apart',
    script: `
open_master
for n in ${sizes}; do for m in 0 1 32769; do
  over "head -c $n $FILES/random; head -c $m $FILES/random >&2" 2>err | digest; digest <err
done; done
over 'for i in $(seq 300); do echo out $i; echo err $i >&2; done' 2>err | digest; digest <err
close_master
on "head -c 20000000 $FILES/random & head -c 20000000 $FILES/random >&2; wait" 2>err | digest; digest <err`,
    says: /^(\w{64}\n){40}$/,
  },
  {
    name: 'input, output and errors at once, 5 MB each',
    script: `some 5000000 | on 'tee /dev/stderr' 2>err | digest; digest <err; echo "\${PIPESTATUS[@]}"`,
    says: /^(\w{64}\n){2}0\n$/,
  },
  {
    name: 'output goes on after the end of input',
    script: `(echo one; sleep 0.1; echo two) | on 'cat; echo after; sleep 0.2; echo later'`,
    says: /^one\ntwo\nafter\nlater\n$/,
  },
  {
    name: 'input goes on after the end of output',
    script: `
(sleep 0.2; some 3000000) | on "exec >&- 2>&-; cat >$WORK/got"; echo $?
digest <got`,
    says: /^0\n\w{64}\n$/,
  },
  {
    name: 'who reads a part of endless output is soon done, and the command with it',
    script: `
on yes | head -c 1000000 | digest; echo "\${PIPESTATUS[@]}"
on "yes | head -1; echo \\\${PIPESTATUS[@]}"`,
    says: /^\w{64}\n255 0 0\ny\n141 0\n$/,
  },
  {
    name: 'who writes more than is read is soon done',
    script: `
on 'head -c 1000000' </dev/zero | digest; echo "\${PIPESTATUS[@]}"
some 20000000 | on true; echo "\${PIPESTATUS[1]}"
on 'exec <&-; sleep 0.2; echo end' <"$FILES/random"; echo $?`,
    says: /^\w{64}\n0 0\n0\nend\n0\n$/,
  },
  {
    name: 'no input is no input, whichever way it is not there',
    script: `
on cat </dev/null; echo $?; on cat <&-; echo $?; ssh -n target cat; echo $?
ssh -oStdinNull=yes target 'wc -c'; : | on 'wc -c'`,
    says: /^0\n0\n0\n0\n0\n$/,
  },
  {
    name: 'exit statuses of commands, found or not',
    script: `
open_master
for status in 0 1 2 77 125 126 127 128 129 130 137 143 200 254 255; do over "exit $status"; echo $?; done
over no-such-command; echo $?
over /etc/passwd; echo $?
over "'"; echo $?
close_master`,
    says: /^(\d+\n){18}$/,
  },
  {
    name: 'commands that a signal ends',
    script: `
open_master
for signal in HUP INT QUIT ILL ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM XCPU SYS RTMIN; do
  over "echo $signal; ulimit -c 0; kill -$signal \\$\\$; sleep 1"; echo $?
done
close_master`,
    says: /HUP\n255\n[^]*TERM\n255\n/,
  },
  {
    name: 'commands of any bytes and 100 KB',
    script: `
open_master
over $'printf "\\xff\\xfe\\xe9\\xc3" | od -An -tx1'
over $'echo one\\necho two\\t\\x01'
over "echo '  spaces  '   apart"
long=$(head -c 60000 /dev/zero | tr '\\0' x)
over "printf %s $long | wc -c"
over "" </dev/null; echo $?
over 'echo $0 "$SHELL" $-'
close_master`,
    says: /ff fe e9 c3\none\ntwo/,
  },
  {
    name: 'a shell without a terminal reads its commands from input',
    script: `printf 'echo "in $-"\\ncd /; pwd\\nexit 3\\n' | ssh -T target; echo "\${PIPESTATUS[1]}"`,
    says: /^in \w+\n\/\n3\n$/,
  },
  {
    name: 'variables of the language, at every size and of any bytes',
    script: `
export LC_ONE=1 LC_TWO='two words' LC_BYTES=$'\\xff\\xfe' LC_EMPTY= LC_BIG=$(head -c 100000 /dev/zero | tr '\\0' b)
send='-oSendEnv=LC_*'
ssh $send -oSetEnv='LC_SET="x y"' target 'env | grep ^LC_ | sort' | digest
ssh $send target 'printf %s "$LC_BYTES" | od -An -tx1; printf %s "$LC_BIG" | wc -c; echo "[\${LC_EMPTY-none}]"'
for i in $(seq 1 200); do export LC_N\${i//[0-9]/N}=$i; done
for letter in A B C D E F G H I J K L M N O P Q R S T U V W X Y Z; do export LC_L$letter=$(head -c 4000 /dev/zero | tr '\\0' $letter); done
ssh $send target 'env | grep ^LC_ | sort' | digest`,
    says: /^\w{64}\n ff fe\n100000\n\[\]\n\w{64}\n$/,
  },
  {
    name: 'the environment of a command',
    script: `on 'env | cut -d= -f1 | sort; env | grep -E "^(HOME|LOGNAME|PATH|SHELL|USER|PWD|SSH_)" | sort'`,
    rules: [
      {
        find: /127\.0\.0\.1 \d+ /g,
        replace: '127.0.0.1 PORT ',
        why: 'each connection has a port of its own',
      },
    ],
    says: /SSH_CLIENT=127\.0\.0\.1 PORT/,
  },
  {
    name: 'new keys after each megabyte, both ways',
    script: `
some 8000000 | ssh -oRekeyLimit=1M target cat | digest
ssh -oRekeyLimit=1M -c chacha20-poly1305@openssh.com target "head -c 8000000 $FILES/random" | digest`,
    says: /^(\w{64}\n){2}$/,
  },
  {
    name: 'every cipher that both know, and a wish for compression',
    script: `
for cipher in aes128-gcm@openssh.com aes256-gcm@openssh.com chacha20-poly1305@openssh.com aes128-ctr aes256-ctr; do
  some 200000 | ssh -c $cipher -m hmac-sha2-256-etm@openssh.com target cat | digest
done
some 200000 | ssh -C target cat | digest`,
    says: /^(\w{64}\n){6}$/,
  },
  {
    name: 'forty channels of one connection at once, with a status each',
    script: `
open_master
for i in $(seq 1 40); do (some $((i * 7919)) | over "cat; exit $i" >out.$i; echo "$i \${PIPESTATUS[1]}" >status.$i) & done; wait
cat status.* | sort -n; cat $(ls out.* | sort -t. -k2n) | digest
ssh -S m -O check target 2>&1 | sed 's/pid=[0-9]*/pid/'
close_master; ssh -S m -O check target 2>/dev/null; echo $?`,
    says: /^1 1\n2 2\n[^]*40 40\n\w{64}\nMaster running \(pid\)\r?\n255\n$/,
  },
  {
    name: 'a command that leaves something behind lets go',
    script: `on 'sleep 20 >/dev/null 2>&1 </dev/null & echo started'; on '(sleep 0.3; echo late) & echo early'`,
    says: /^started\nearly\nlate\n$/,
  },
  {
    name: 'ssh -f goes to the background once it is in, -N runs nothing',
    script: `
ssh -f target "sleep 0.3; echo behind >$WORK/behind"; echo $?
until test -s behind; do sleep 0.05; done; cat behind
ssh -fNM -S n target; ssh -S n -O check target 2>&1 | cut -c1-14; ssh -S n -O exit target 2>&1`,
    says: /^0\nbehind\nMaster running\nExit request sent\.\r?\n$/,
  },
  {
    name: 'signs of life from both sides change nothing',
    script: `ssh -oServerAliveInterval=1 -oServerAliveCountMax=2 target 'sleep 2.5; echo awake'; echo $?`,
    says: /^awake\n0\n$/,
  },
  {
    name: 'who reads slowly gets everything, while the target has closed and asks for signs of life',
    script: `on 'head -c 1500000 /dev/zero; exit 5' | { sleep 3; digest; }; echo "\${PIPESTATUS[0]}"`,
    says: /^\w{64}\n5\n$/,
  },
  {
    name: 'ssh that is killed ends what it ran',
    script: `
env ssh -F "$CONFIG" -tt target "echo \\$\\$ >$WORK/pid; exec sleep 30" </dev/null >/dev/null &
until test -s pid; do sleep 0.05; done; kill $!; wait $!; echo $?
while kill -0 $(cat pid) 2>/dev/null; do sleep 0.05; done; echo gone`,
    says: /^(143|255)\ngone\n$/,
  },
]
