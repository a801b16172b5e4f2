// What `npm run up`, `npm test` … start with: installs the npm packages of the lock file where they are missing or older than it,
// then runs a script, or the tool of an npm package, on the Node that they pin. Runs itself on any Node >= 18, with nothing installed.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const installed = `${root}node_modules/.package-lock.json`;
// Where its package has it: npm 9, as Debian 12 brings it, makes no link in node_modules/.bin.
const nodeFolder = `${root}node_modules/node-linux-${process.arch}/bin`;
const [script, ...args] = process.argv.slice(2);

if (process.platform !== 'linux')
  fail(`Tinkernetes runs its nodes on Linux, not on ${process.platform}: use the Vagrantfile (vagrant up) instead.`);
if (!['x64', 'arm64'].includes(process.arch)) fail(`Tinkernetes runs on x64 and arm64 processors, not on ${process.arch}.`);
if (!isInstalled()) {
  console.error('Installing npm packages (npm ci) …');
  const flags = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = spawnSync('npm', flags, { cwd: root, stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8', maxBuffer: 64 << 20 });
  if (npm.error !== undefined || npm.status !== 0) {
    // npm says a lot; its code and the first line that is more than the code tell what went wrong.
    const said = (npm.stderr ?? '').split('\n').map((line) => line.replace(/^npm (error|ERR!) ?/, '').trim());
    const lines = said.filter((line) => line !== '' && !/^npm warn|^(errno|syscall|A complete log)/.test(line));
    const why = npm.error?.message ?? (lines.slice(0, 2).join(', ') || `exit status ${npm.status}`);
    fail(`npm ci failed (${why}): check the network and the registry ("npm config get registry"), then run this again.`);
  }
  if (!isInstalled()) fail('npm ci brought no Node: "npm config get omit" has to be without "optional". Then run this again.');
}
ensureNodeRuns();
const env = { ...process.env, PATH: `${nodeFolder}:${root}node_modules/.bin:${process.env.PATH ?? ''}` };
const argv = script.endsWith('.ts') ? ['node', '--no-warnings', `${root}${script}`] : [script];
const child = spawn(argv[0], [...argv.slice(1), ...args], { env, stdio: 'inherit' });
// This one stays until the other has ended, as it ends: Ctrl-C at a terminal reaches both, a signal from elsewhere only this one.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('error', (error) => fail(`${argv[0]} cannot be started: ${error.message}`));
child.on('exit', (code, signal) => process.exit(signal === null ? code : 130));

function isInstalled() {
  if (!existsSync(installed) || !existsSync(`${nodeFolder}/node`)) return false;
  return statSync(installed).mtimeMs >= statSync(`${root}package-lock.json`).mtimeMs;
}

/** A small Debian lacks the one library that Node needs beyond libc; with it missing not even `up` could install anything. */
function ensureNodeRuns() {
  const runs = () => spawnSync(`${nodeFolder}/node`, ['--version'], { encoding: 'utf8' });
  let { status, stderr, error } = runs();
  if (status !== 0 && /libatomic\.so/.test(stderr) && process.geteuid() === 0) {
    console.error('Installing libatomic1 (apt-get) …');
    const aptEnv = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    for (const args of [['update'], ['install', '-y', '--no-install-recommends', 'libatomic1']])
      spawnSync('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=120', ...args], { env: aptEnv, stdio: 'ignore' });
    ({ status, stderr, error } = runs());
  }
  if (status === 0) return;
  if (/libatomic\.so/.test(stderr)) fail('Node needs the package libatomic1: as root, run "apt-get install libatomic1", then this again.');
  fail(`${nodeFolder}/node does not run: ${error?.message ?? stderr.trim()}`);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
