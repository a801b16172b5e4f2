/** `tinker up`, `tinker down`, `tinker images`: flags of the lab. */
import type { Command } from 'commander';
import { defaultLab, type Lab, type LabOptions, type LabRuntime, planLab } from '#lab/config.ts';
import { readRecord } from '#lab/record.ts';

type Flags = Omit<LabOptions, 'workers' | 'serverArgs'> & { workers: string };

export function createLabCommands(program: Command): void {
  withLabFlags(
    program
      .command('up')
      .description('start a cluster on this machine: a control plane and workers, each in a network namespace'),
  )
    .option('--workers <n>', 'number of workers, 1 to 9', String(defaultLab.workers))
    .option('--runtime <runtime>', 'containerd or docker', defaultLab.runtime)
    .option('--subnet <cidr>', "the hosts' network", defaultLab.subnet)
    .option('--cluster-cidr <cidr>', "the pods' network", defaultLab.clusterCidr)
    .option('--service-cidr <cidr>', "the Services' network", defaultLab.serviceCidr)
    .action(async (flags: Flags) => (await import('./up.ts')).up(labOf(flags)));
  withLabFlags(program.command('down').description('remove everything that "up" made')).action(async (flags: Flags) =>
    // As it was started, also with other addresses and folders than these flags tell.
    (await import('./up.ts')).down(planLab(readRecord(flags.name) ?? { ...defaultLab, ...flags, workers: defaultLab.workers })),
  );
}

function withLabFlags(command: Command): Command {
  return command
    .option('--name <name>', 'prefix of everything that the lab makes', defaultLab.name)
    .option('--data-dir <path>', "the lab's files", defaultLab.dataDir);
}

function labOf(flags: Flags): Lab {
  const runtimes: readonly string[] = ['containerd', 'docker'] satisfies LabRuntime[];
  if (!runtimes.includes(flags.runtime)) throw new Error(`--runtime ${flags.runtime}: containerd or docker`);
  return planLab({ ...flags, workers: Number(flags.workers) });
}
