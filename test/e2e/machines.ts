/** A lab whose hosts are machines, for the tests of the layouts. */
import { execFile } from '#agent/host/exec.ts';
import { allHosts, defaultLab, type Lab, type LabLayout, planLab, type Worker } from '#lab/config.ts';
import { stopLab } from '#lab/down.ts';
import { onMachine, startMachine, stopMachine } from '#lab/machine/machine.ts';
import { kubectl } from '#lab/sample.ts';
import { startLab } from '#lab/up.ts';

/** A lab of machines. */
export interface MachineLab {
  lab: Lab;
  controlPlane: Worker;
  worker: Worker;
  /** Runs a command line in a shell on the host, as a person types it there. @throws ExecError */
  type(host: Worker, line: string): Promise<string>;
  /** kubectl from the real machine. @throws ExecError */
  kubectl(...args: string[]): Promise<string>;
  /** Switches the host off and on. */
  restart(host: Worker): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a lab, also where a killed run has left one. TINKER_TEST_LAB=1…9 gives parallel runs different labs. */
export async function startMachineLab(layout: LabLayout): Promise<MachineLab> {
  const slot = 20 + Number(process.env['TINKER_TEST_LAB'] ?? 0);
  const lab = planLab({
    ...defaultLab,
    layout,
    workers: 1,
    name: `tkm${slot}`,
    subnet: `10.204.${slot}.0/24`,
    clusterCidr: `10.${100 + slot}.0.0/16`,
    serviceCidr: `10.${130 + slot}.0.0/16`,
    dataDir: `/var/lib/tinkernetes/test-machines-${slot}`,
  });
  await stopLab(lab, execFile);
  try {
    await startLab(lab, execFile);
  } catch (error) {
    await stopLab(lab, execFile);
    throw error;
  }
  const [controlPlane, worker] = allHosts(lab);
  if (controlPlane === undefined || worker === undefined) throw new Error('the lab has no hosts');
  return {
    lab,
    controlPlane,
    worker,
    async type(host, line) {
      const { argv, env } = onMachine(lab, host, ['bash', '-c', line]);
      return (await execFile(argv, { env: { ...env } })).stdout;
    },
    kubectl: (...args) => kubectl(lab, execFile, args),
    async restart(host) {
      await stopMachine(lab, host);
      await startMachine(lab, host);
    },
    async stop() {
      if (process.env['TINKER_KEEP_LAB'] === undefined) await stopLab(lab, execFile);
    },
  };
}
