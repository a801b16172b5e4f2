/**
 * A machine of the lab, from inside. `enter <spec>` joins the machine's control group and becomes, by way of nsenter, unshare and tini, the first
 * process of its namespaces; `init <spec>` is the child of that process: it makes the file systems and keeps the services.
 *
 * tini reaps what nobody waits for, which Node cannot. When it ends, the kernel ends everything in the machine.
 */
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { createCgroups } from '#agent/host/cgroup.ts';
import { execFile } from '#agent/host/exec.ts';
import { parseMountInfo } from '#agent/host/mount.ts';
import { startService } from '#agent/host/service-process.ts';
import { errorText } from '#api/error-text.ts';
import { systemClock } from '#client/clock.ts';
import { machineMounts } from './mounts.ts';
import { type MachineSpec, serviceLogs, upMark } from './spec.ts';
import { Supervisor } from './supervisor.ts';
import { parseUnit, type Unit } from './unit-file.ts';

const unitFolder = '/etc/systemd/system';
/** A log that is longer is moved aside, and only the last one is kept. */
const maxLogBytes = 16 * 2 ** 20;
const lookAtLogsMs = 60_000;

const [command, specFile = ''] = process.argv.slice(2);
const spec = JSON.parse(readFileSync(specFile, 'utf8')) as MachineSpec;
if (command === 'enter') await enter();
else await init();

async function enter(): Promise<void> {
  const { hierarchy, create } = await createCgroups();
  await create(spec.cgroup);
  const roots =
    hierarchy.version === 2 ? [hierarchy.root] : [...new Set([...hierarchy.mountPoints.values(), ...hierarchy.others])];
  // runc makes a group for each container in every hierarchy: also there it has to be below the machine's own.
  for (const root of roots) mkdirSync(join(root, spec.cgroup), { recursive: true });
  for (const root of roots) appendFileSync(join(root, spec.cgroup, 'cgroup.procs'), String(process.pid));
  const inside = [process.execPath, ...process.execArgv, process.argv[1] ?? '', 'init', specFile];
  process.execve?.(
    '/usr/bin/nsenter',
    [
      'nsenter',
      `--net=/run/netns/${spec.netns}`,
      'unshare',
      '--mount',
      '--pid',
      '--fork',
      '--uts',
      '--ipc',
      '--cgroup',
      '--kill-child',
      'tini',
      '--',
      ...inside,
    ],
    process.env as Record<string, string>,
  );
}

async function init(): Promise<void> {
  process.title = 'init';
  const tell = (message: string): void => void process.stdout.write(`${new Date().toISOString()} ${message}\n`);
  for (const argv of machineMounts(spec, parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8')))) await execFile(argv);
  await execFile(['hostname', spec.name]);
  await leaveRootGroup();
  const supervisor = new Supervisor({
    start: startService,
    units: async () => readUnits(tell),
    logFile: (name) => join(serviceLogs, `${name}.log`),
    clock: systemClock,
    tell,
    env: spec.env,
  });
  await supervisor.reload();
  writeFileSync(upMark, '');
  tell(`${spec.name} is up`);
  process.on(
    'SIGHUP',
    () => void supervisor.reload().catch((error: unknown) => tell(`units could not be read: ${errorText(error)}`)),
  );
  const rotation = setInterval(() => rotateLogs(tell), lookAtLogsMs);
  await new Promise<void>((resolve) => process.once('SIGTERM', () => resolve()));
  clearInterval(rotation);
  tell('switching off');
  await supervisor.end();
  tell('off');
  process.exit(0);
}

/** With version 2 a group with processes of its own can have no groups with limits below it. */
async function leaveRootGroup(): Promise<void> {
  const { hierarchy, create } = await createCgroups();
  if (hierarchy.version !== 2) return;
  const group = 'init.scope';
  await create(`/${group}`);
  const pids = readFileSync(join(hierarchy.root, 'cgroup.procs'), 'utf8')
    .split('\n')
    .filter((pid) => pid !== '');
  for (const pid of pids) appendFileSync(join(hierarchy.root, group, 'cgroup.procs'), pid);
}

function readUnits(tell: (message: string) => void): Unit[] {
  return readdirSync(unitFolder)
    .filter((file) => file.endsWith('.service'))
    .sort()
    .flatMap((file) => {
      try {
        return [parseUnit(file.replace(/\.service$/, ''), readFileSync(join(unitFolder, file), 'utf8'))];
      } catch (error) {
        // Also a file that was removed meanwhile: one unit never ends the machine.
        tell(`${file}: ${errorText(error)}`);
        return [];
      }
    });
}

/** The services hold their logs open for appending, so the file stays and is emptied. */
function rotateLogs(tell: (message: string) => void): void {
  try {
    for (const name of readdirSync(serviceLogs).filter((file) => file.endsWith('.log'))) {
      const path = join(serviceLogs, name);
      if (statSync(path).size <= maxLogBytes) continue;
      copyFileSync(path, `${path}.1`);
      truncateSync(path, 0);
    }
  } catch (error) {
    tell(`logs could not be rotated: ${errorText(error)}`);
  }
}
