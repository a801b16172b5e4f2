/**
 * `npm test`: type check, lint, format check, dead code, and then every test with Node's own runner, which prints the totals
 * last. It installs the Debian packages that the tests need. Arguments select tests: `npm test -- control/store`.
 */
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, globSync, mkdtempSync, readdirSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execFile } from '#agent/host/exec.ts';
import { createMounts } from '#agent/host/mount.ts';
import { removeTreeBelow } from '#agent/host/remove-tree.ts';
import { stopLab } from '#lab/down.ts';
import { labNames } from '#lab/record.ts';
import { installPackages, isInstalled, missingPackages, UsageError } from '#lab/system.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
/** The packages that tests need besides those of the lab, each with a program that shows whether it is installed. */
const testPackages: Record<string, string> = {
  'etcd-client': 'etcdctl',
  'etcd-server': 'etcd',
  nftables: 'nft',
  systemd: 'systemd-analyze',
  vagrant: 'vagrant',
};
/** Tests that start container runtimes or whole labs. They run after the others, but for the longest: see {@link inOrder}. */
const heavy = ['agent/runtime/**/*.test.ts', 'test/e2e/**/*.test.ts'];

const checks: [title: string, ...argv: string[]][] = [
  ['type check', 'tsc', '--noEmit'],
  ['lint', 'oxlint', '--deny-warnings'],
  ['format', 'biome', 'check', '--error-on-warnings'],
  ['dead code', 'knip'],
];

const only = process.argv.slice(2);
await installForTests();
const failed = only.length > 0 ? [] : checks.filter(([title, ...argv]) => !check(title, argv)).map(([title]) => title);
const selected = (patterns: string[], exclude: string[] = []): string[] =>
  globSync(patterns, { cwd: root, exclude: ['node_modules/**', 'dist/**', ...exclude] })
    .filter((path) => only.length === 0 || only.some((part) => path.startsWith(part)))
    .sort();
const light = selected(['**/*.test.ts'], heavy);
const status = await runTests(inOrder(light, selected(heavy)));
if (failed.length > 0) console.error(`\nFailed before the tests: ${failed.join(', ')} (see above).`);
process.exit(failed.length > 0 ? 1 : status);

/**
 * The light files first, then the heavy ones. The longest file starts in the middle of the light ones, because it mostly waits for 15
 * minutes; started last, it would run alone for a third of that. (Results are printed in this order, so it is not the very first.)
 */
function inOrder(light: readonly string[], heavy: readonly string[]): string[] {
  const isLongest = (path: string): boolean => path === 'test/e2e/containerd.test.ts';
  const middle = Math.floor(light.length / 2);
  return [
    ...light.slice(0, middle),
    ...heavy.filter(isLongest),
    ...light.slice(middle),
    ...heavy.filter((path) => !isLongest(path)),
  ];
}

function check(title: string, argv: string[]): boolean {
  console.log(`\n── ${title} (${argv.join(' ')})`);
  return spawnSync(`${root}node_modules/.bin/${argv[0]}`, argv.slice(1), { cwd: root, stdio: 'inherit' }).status === 0;
}

/** Runs the tests. When Ctrl-C ends them, their labs are removed here. */
async function runTests(files: string[]): Promise<number> {
  const workers = `--test-concurrency=${Math.min(2, cpus().length)}`;
  const argv = [
    '--no-warnings',
    `--import=${new URL('seed.ts', import.meta.url)}`,
    '--test',
    workers,
    '--test-timeout=600000',
    ...files,
  ];
  // A short name, because paths of sockets in it have at most 107 bytes.
  const scratch = mkdtempSync(join(tmpdir(), 'tk-'));
  chmodSync(scratch, 0o755); // Some tests become another user, who has to reach their files.
  // Hundreds of processes load the same modules. Sharing the compile cache saves a quarter of the time.
  const env = { ...process.env, TMPDIR: scratch, NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/node') };
  const tests = spawn(process.execPath, argv, { cwd: root, stdio: 'inherit', env });
  let isInterrupted = false;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      isInterrupted = true;
      tests.kill(signal);
    });
  }
  const status = await new Promise<number>((resolve, reject) => {
    tests.once('error', reject);
    tests.once('exit', (code) => resolve(code ?? 1));
  });
  if (isInterrupted) await removeLabs();
  await removeScratch(scratch);
  return isInterrupted ? 130 : status;
}

/** Removes files that interrupted tests have left. It never enters a mount, which may contain files of the machine. */
async function removeScratch(folder: string): Promise<void> {
  const left = readdirSync(folder);
  if (left.length > 0) console.error(`Left by the tests, and removed: ${left.join(', ')}`);
  try {
    await createMounts(execFile).unmountBelow(folder);
    await removeTreeBelow(tmpdir(), folder);
  } catch (error) {
    console.error(`${folder} could not be removed: ${String(error)}`);
  }
}

/** Removes the labs of this run's test/e2e, and of no other run: see TINKER_TEST_LAB. */
async function removeLabs(): Promise<void> {
  const slot = Number(process.env['TINKER_TEST_LAB'] ?? 0);
  for (const name of [`tktest${slot}`, `tktest${slot + 10}`, 'tkup']) {
    if (!labNames().includes(name)) continue;
    console.error(`Taking the lab "${name}" away …`);
    await stopLab({ name, dataDir: '' }, execFile);
  }
}

/** Installs packages. Without root nothing can be installed; the tests that need a package then fail and say so. */
async function installForTests(): Promise<void> {
  const wanted = [
    ...new Set([
      ...missingPackages({ runtime: 'containerd', layout: 'services' }),
      ...missingPackages({ runtime: 'docker' }),
      ...Object.keys(testPackages).filter((name) => !isInstalled(testPackages[name] as string)),
    ]),
  ];
  if (wanted.length === 0) return;
  console.log(`Installing ${wanted.join(', ')} …`);
  try {
    await installPackages(wanted, execFile);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(error.message);
  }
}
