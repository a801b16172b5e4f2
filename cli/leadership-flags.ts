/** The leader election flags of `tinker server`, with upstream's names. */
import { type Command, Option } from 'commander';
import { defaultLeadership, type LeadershipOptions, leadershipProblem } from '#control/leadership.ts';
import { boolean, durationMs } from './flags.ts';

/** The flags as commander parses them. Times are in milliseconds. */
export interface LeadershipFlags {
  leaderElect: boolean;
  leaderElectLeaseDuration: number;
  leaderElectRenewDeadline: number;
  leaderElectRetryPeriod: number;
  leaderElectResourceLock: string;
  leaderElectResourceNamespace: string;
}

/** Those of one component, which may call its Lease otherwise. */
export interface ComponentLeadershipFlags extends LeadershipFlags {
  leaderElectResourceName: string;
}

/** Adds the leader election flags to a command. */
export function addLeadershipFlags(command: Command): Command {
  const { leaseDurationMs, renewDeadlineMs, retryPeriodMs, namespace } = defaultLeadership;
  return command
    .option('--leader-elect [boolean]', 'run controllers and scheduler only while holding their Leases', boolean, true)
    .option(
      '--leader-elect-lease-duration <duration>',
      'silence of the leader after which another server takes over',
      durationMs,
      leaseDurationMs,
    )
    .option(
      '--leader-elect-renew-deadline <duration>',
      'how long the leader tries to renew before it stops leading',
      durationMs,
      renewDeadlineMs,
    )
    .option('--leader-elect-retry-period <duration>', 'between two tries', durationMs, retryPeriodMs)
    .addOption(new Option('--leader-elect-resource-lock <kind>', 'what is held').choices(['leases']).default('leases'))
    .option('--leader-elect-resource-namespace <namespace>', 'where the Leases are', namespace);
}

/** The options that the flags define. @throws Error that names the flag */
export function leadershipOptions(flags: LeadershipFlags): LeadershipOptions {
  const options = {
    isElected: flags.leaderElect,
    leaseDurationMs: flags.leaderElectLeaseDuration,
    renewDeadlineMs: flags.leaderElectRenewDeadline,
    retryPeriodMs: flags.leaderElectRetryPeriod,
    namespace: flags.leaderElectResourceNamespace,
  };
  const problem = leadershipProblem(options);
  if (problem !== undefined) throw new Error(problem);
  return options;
}

/** The flags of a component with one Lease. @param name upstream's name of the Lease */
export const addComponentLeadershipFlags = (command: Command, name: string): Command =>
  addLeadershipFlags(command).option('--leader-elect-resource-name <name>', 'the name of the Lease', name);
