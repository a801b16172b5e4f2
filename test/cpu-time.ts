/** For tests of what something costs: time on a clock says how busy the machine is. */

/** CPU time that this thread has used, in milliseconds. */
export function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
