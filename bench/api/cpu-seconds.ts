import { readFileSync } from 'node:fs';

const ticksPerSecond = 100;

/** User and system time of all threads of a process (proc_pid_stat(5): fields 14 and 15). */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}
