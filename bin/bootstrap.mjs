// What `npm run up`, `npm test` … start with: installs the npm packages of the lock file where they are missing or older than it,
// then runs the rest on the Node that they pin. Runs itself on any Node >= 18, with nothing installed.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const installed = `${root}node_modules/.package-lock.json`;
const node = `${root}node_modules/.bin/node`;
const [script, ...args] = process.argv.slice(2);

if (process.platform !== 'linux') {
  console.error(`Tinkernetes runs its nodes on Linux, not on ${process.platform}: use the Vagrantfile (vagrant up) instead.`);
  process.exit(1);
}
if (!existsSync(installed) || !existsSync(node) || statSync(installed).mtimeMs < statSync(`${root}package-lock.json`).mtimeMs) {
  console.error('Installing npm packages (npm ci) …');
  const flags = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = spawnSync('npm', flags, { cwd: root, stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8', maxBuffer: 64 << 20 });
  if (npm.error !== undefined || npm.status !== 0) {
    // npm says a lot; its code and the first line that is more than the code tell what went wrong.
    const said = (npm.stderr ?? '').split('\n').map((line) => line.replace(/^npm (error|ERR!) ?/, '').trim());
    const lines = said.filter((line) => line !== '' && !/^npm warn|^(errno|syscall|A complete log)/.test(line));
    const why = npm.error?.message ?? (lines.slice(0, 2).join(', ') || `exit status ${npm.status}`);
    console.error(`npm ci failed (${why}): check the network and the registry ("npm config get registry"), then run this again.`);
    process.exit(1);
  }
}
const run = spawnSync(node, ['--no-warnings', `${root}${script}`, ...args], { cwd: process.cwd(), stdio: 'inherit' });
process.exit(run.signal === null ? (run.status ?? 1) : 130);
