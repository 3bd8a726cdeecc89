/** Files, by every program that moves them over ssh. */
import type { Rule, Scenario } from '../scenario.ts'

const listing = `(cd "$1" && find . -mindepth 1 -printf '%P %y %m %s %l %T@\\n' | sort; find . -type f -print0 | sort -z | xargs -0 sha256sum)`
const tree = `tree() { ${listing}; }`
const rates: Rule = {
  find: /[\d,.]+ bytes\/sec|speedup is [\d.,]+/g,
  replace: 'RATE',
  why: 'rates depend on the time',
}

export const files: readonly Scenario[] = [
  {
    name: 'sftp does everything that it can do',
    script: `
cat >batch <<END
pwd
mkdir $WORK/far
cd $WORK/far
lcd $FILES
put random up
put -p tree/empty
put tree/with\\ space
put -pR tree
-get no-such-file
ls -1
ls -ln tree
chmod 600 up
-chown 12345 up
ln up hard
ln -s up soft
rename up moved
lcd $WORK
get moved down
get -p tree/empty kept
get -pR tree tree-back
put $FILES/tree/empty part
reput $FILES/random part
reget moved down
-rmdir tree
-rm tree/none
rm hard
df -h /proc
-copy moved copied
mkdir a\\ b
rmdir a\\ b
ls -ln
version
bye
END
sftp -b batch target; echo $?
sha256sum <down; ${tree}; tree tree-back | digest`,
    rules: [
      {
        find: /(\w{3} +\d+ +)\d\d:\d\d/g,
        replace: '$1TIME',
        why: 'files that a scenario makes are as old as the scenario',
      },
    ],
    says: /sftp> pwd[^]*SFTP protocol version 3[^]*\n0\n\w{64} {2}-/,
  },
  {
    name: 'sftp with small, many and large requests',
    script: `
for o in '-B 1000 -R 1' '-B 32768 -R 256' '-B 200000 -R 16'; do
  rm -f there back; printf "put $FILES/program $WORK/there\\nget $WORK/there back\\n" | sftp -q $o target >/dev/null; echo $?
  cmp there "$FILES/program" && cmp back "$FILES/program" && echo same
done`,
    says: /^(0\nsame\n){3}$/,
  },
  {
    name: 'scp copies files and trees, there and back, by both protocols',
    script: `
${tree}
for o in -s -O; do
  mkdir far$o near$o
  scp -q $o -p "$FILES/program" "$FILES/tree/with space" target:"$WORK/far$o/"; echo $?
  scp -q $o -rp "$FILES/tree" target:"$WORK/far$o/"; echo $?
  scp -q $o -rp target:"$WORK/far$o/*" near$o/; echo $?
  tree far$o | digest; tree near$o | digest
  scp -q $o target:"$WORK/none" near$o/; echo $?
  scp -q $o "$FILES/tree/empty" target:/proc/none/; echo $?
  scp -q $o -3 target:"$WORK/far$o/program" target:"$WORK/third$o"; cmp third$o "$FILES/program"; echo $?
done 2>&1`,
    says: /^0\n0\n0\n\w{64}\n\w{64}\n/,
  },
  {
    name: 'rsync copies a tree, there, back, changed and deleted',
    needs: ['rsync'],
    script: `
${tree}
rsync -a "$FILES/tree" target:"$WORK/far/"; echo $?
rsync -aiz --stats "$FILES/tree" target:"$WORK/far/" | grep -E '^Number of|^[<>c.]'
cp -a "$FILES/tree" mine; echo more >>'mine/with space'; rm mine/empty; touch -d 2021-01-01 mine
rsync -ai --delete mine/ target:"$WORK/far/tree/"; echo $?
rsync -a --checksum target:"$WORK/far/tree/" back; echo $?
tree far/tree | grep -v 'with space' | digest; diff -r far/tree back && echo same
rsync -a --partial --inplace "$FILES/random" target:"$WORK/far/"; cmp far/random "$FILES/random"; echo $?
rsync target:"$WORK/none" back; echo $?`,
    rules: [rates],
    says: /^0\nNumber of files: \d+[^]*same\n0\n23\n$/,
  },
  {
    name: 'git clones, pushes, fetches and is refused',
    needs: ['git'],
    script: `
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
export GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z' GIT_CONFIG_NOSYSTEM=1
git init -q --bare -b main repository
git clone -q target:"$WORK/repository" clone 2>&1; cd clone
git checkout -q -b main; cp "$FILES/program" .; git add .; git commit -q -m one; git push -q origin main; echo $?
git log --oneline; git ls-remote origin; git fetch -q; git status -sb; cd ..
git clone -q "target:$WORK/repository" other; cmp other/program "$FILES/program"; echo $?
git clone -q target:"$WORK/none" none; echo $?`,
    says: /one\n\w{40}\tHEAD\n\w{40}\trefs\/heads\/main\n## main/,
  },
  {
    name: 'a pipe of tar moves a tree',
    script: `
${tree}
mkdir far; tar -C "$FILES" -cf - tree | on "tar -C $WORK/far -xpf -"; echo "\${PIPESTATUS[@]}"
mkdir back; on "tar -C $FILES -cf - tree" | tar -C back -xpf -; echo "\${PIPESTATUS[@]}"
tree far/tree | digest; tree back/tree | digest`,
    says: /^0 0\n0 0\n\w{64}\n\w{64}\n$/,
  },
]
