/** Defines `tinker up` and `tinker down` with the flags of the lab. */
import type { Command } from 'commander';
import { embeddedFiles } from '#api/embedded.ts';
import { defaultLab, type Lab, type LabLayout, type LabOptions, type LabRuntime, planLab } from '#lab/config.ts';
import { proxyMode } from './flags.ts';

type Flags = Omit<LabOptions, 'workers' | 'segments' | 'serverArgs'> & { workers: string; segments: string };

/** Adds the commands to `program`. */
export function createLabCommands(program: Command): void {
  withLabFlags(
    program
      .command('up')
      .description('start a cluster on this machine: a control plane and workers, each in a network namespace'),
  )
    .option('--workers <n>', 'number of workers, 1 to 9', String(defaultLab.workers))
    .option('--segments <n>', 'networks of the workers, 1 or 2 with a router between them', '1')
    .option(
      '--layout <layout>',
      'single: one process; services: each component a service of a machine; pods: each a static pod',
      'single',
    )
    .option('--runtime <runtime>', 'containerd or docker', defaultLab.runtime)
    .option('--subnet <cidr>', "the hosts' network", defaultLab.subnet)
    .option('--cluster-cidr <cidr>', "the pods' network", defaultLab.clusterCidr)
    .option('--service-cidr <cidr>', "the Services' network", defaultLab.serviceCidr)
    .option('--proxy-mode <mode>', 'what writes the rules of services: iptables, which is the default, or nftables', proxyMode)
    .action(async (flags: Flags) => (await labProgram()).up(labOf(flags)));
  machineCommands(program);
  withLabFlags(program.command('down').description('remove everything that "up" made')).action(async (flags: Flags) =>
    (await labProgram()).down(planLab({ ...defaultLab, ...flags, segments: 1, workers: defaultLab.workers })),
  );
}

/** Imports the lab's program. @throws Error in a bundled program: the lab needs the sources, to build the bundle and images */
async function labProgram(): Promise<typeof import('./up.ts')> {
  if (Object.keys(embeddedFiles).length > 0)
    throw new Error('this program in one file has no lab: run "npm run up" in the repository');
  return import('./up.ts');
}

function withLabFlags(command: Command): Command {
  return command
    .option('--name <name>', 'prefix of everything that the lab makes', defaultLab.name)
    .option('--data-dir <path>', "the lab's files", defaultLab.dataDir);
}

function machineCommands(program: Command): void {
  const machines = async (): Promise<typeof import('./machines.ts')> => {
    await labProgram();
    return import('./machines.ts');
  };
  withLabFlags(
    program
      .command('shell <host> [command...]')
      .description('enter a host of the lab, as ssh would; with a command after --, run that'),
  ).action(async (host: string, command: string[], flags: LabFlags) => (await machines()).shell(flags, host, command));
  withLabFlags(
    program
      .command('logs <service> [host]')
      .description('show what a service of a host has written: kubelet, containerd, kube-apiserver, …')
      .option('-f, --follow', 'go on with what comes'),
  ).action(async (service: string, host: string | undefined, flags: LabFlags & { follow?: true }) =>
    (await machines()).logs(flags, service, host),
  );
  withLabFlags(program.command('stop <host>').description('switch a host off')).action(async (host: string, flags: LabFlags) =>
    (await machines()).stop(flags, host),
  );
  withLabFlags(program.command('start <host>').description('switch a host on again')).action(
    async (host: string, flags: LabFlags) => (await machines()).start(flags, host),
  );
}

/** Which lab is meant. */
export type LabFlags = Pick<LabOptions, 'name' | 'dataDir'>;

function labOf(flags: Flags): Lab {
  const runtimes: readonly string[] = ['containerd', 'docker'] satisfies LabRuntime[];
  if (!runtimes.includes(flags.runtime)) throw new Error(`--runtime ${flags.runtime}: give containerd or docker`);
  const layouts: readonly string[] = ['single', 'services', 'pods'] satisfies LabLayout[];
  if (!layouts.includes(flags.layout ?? 'single')) throw new Error(`--layout ${flags.layout}: give single, services or pods`);
  if (flags.layout !== 'single' && flags.runtime !== 'containerd')
    throw new Error(`--layout ${flags.layout} runs on containerd: leave --runtime out`);
  if (!/^\d+$/.test(flags.workers)) throw new Error(`--workers ${flags.workers}: give a number from 1 to 9`);
  if (!/^[12]$/.test(flags.segments)) throw new Error(`--segments ${flags.segments}: give 1 or 2`);
  return planLab({ ...flags, workers: Number(flags.workers), segments: Number(flags.segments) });
}
