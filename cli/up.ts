/** Runs `tinker up` and `tinker down`: a cluster on this machine. */

import { writeSync } from 'node:fs';
import { Listr, PRESET_TIMER } from 'listr2';
import { execFile } from '#agent/host/exec.ts';
import { errorText } from '#api/error-text.ts';
import { defaultLab, type Lab } from '#lab/config.ts';
import { stopLab } from '#lab/down.ts';
import { withLabLock } from '#lab/lock.ts';
import { downCommand, labNames, readRecord } from '#lab/record.ts';
import { applySample, askSample, kubectl } from '#lab/sample.ts';
import { checkRoot, UsageError } from '#lab/system.ts';
import { type LabStep, labSteps } from '#lab/up.ts';

/** Starts the lab and its sample, and prints what it has started. @throws UsageError or Error with advice */
export function up(lab: Lab): Promise<void> {
  return withLabLock(lab.name, () => withInterruptMessage(lab, () => startAndShow(lab)));
}

async function startAndShow(lab: Lab): Promise<void> {
  const startedMs = performance.now();
  const sample: LabStep = {
    title: 'Apply lab/samples/web.yaml: a Deployment of 3 and a NodePort Service',
    run: () => applySample(lab, execFile),
  };
  try {
    await runSteps([...labSteps(lab, execFile), sample]);
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    print(`\nUp in ${seconds} s.\n\n${await kubectl(lab, execFile, ['get', 'nodes'])}\n`);
    print(`${await kubectl(lab, execFile, ['get', 'pods', '-o', 'wide'])}\n`);
    for (const { via, answer } of await askSample(lab, execFile)) print(`${via}\n  ${answer}\n`);
  } catch (error) {
    throw error instanceof UsageError ? error : withAdvice(lab, error);
  }
  print(`\n${nextSteps(lab)}`);
}

/** Removes the lab, or says that there is none. @throws UsageError */
export async function down(lab: Lab): Promise<void> {
  if (readRecord(lab.name, lab.dataDir) === undefined) {
    // The record by name is deleted at a reboot; the lab's files stay.
    const older =
      lab.dataDir === defaultLab.dataDir && lab.name !== defaultLab.name
        ? ' One from before a reboot is found by its --data-dir.'
        : '';
    const others = labNames().map((name) => downCommand({ name }));
    print(
      `There is no lab "${lab.name}" on this machine.${older}${others.length === 0 ? '' : ` To take others away: ${others.join('; ')}.`}\n`,
    );
    return;
  }
  checkRoot();
  const stop = async (): Promise<void> => void (await stopLab(lab, execFile));
  await withLabLock(lab.name, () => runSteps([{ title: `Take the lab "${lab.name}" away`, run: stop }]));
}

/** Handles Ctrl-C during `up`. Everything that was made so far is recorded, so that the user can continue or remove it. */
async function withInterruptMessage(lab: Lab, run: () => Promise<void>): Promise<void> {
  const onSignal = (): void => {
    const isBegun = readRecord(lab.name, lab.dataDir) !== undefined;
    const advice = `the same command goes on from here, "${downCommand(lab)}" takes it away.`;
    // Writes to the descriptor, because the live display buffers process.stderr. The display has also hidden the cursor.
    const cursor = process.stdout.isTTY ? '\x1b[?25h' : '';
    writeSync(2, `${cursor}\ntinker: interrupted; ${isBegun ? advice : 'nothing of the lab was started yet.'}\n`);
    process.exit(130);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.once(signal, onSignal);
  try {
    await run();
  } finally {
    for (const signal of signals) process.off(signal, onSignal);
  }
}

/** Adds advice to a failure. What was made stays, because its logs help to find the cause. */
function withAdvice(lab: Lab, error: unknown): Error {
  const message = errorText(error);
  if (readRecord(lab.name, lab.dataDir) === undefined) return new Error(message, { cause: error });
  return new Error(`${message}\nWhat was started is left as it is. Logs: ${lab.logDir}. To take it away: ${downCommand(lab)}`, {
    cause: error,
  });
}

function nextSteps(lab: Lab): string {
  const [first] = lab.hosts;
  const commands = [
    [`export KUBECONFIG=${lab.kubeconfig}`, ''],
    ['./bin/kubectl get pods -A', 'or any other kubectl'],
    ['./bin/kubectl run x --rm -it --image=busybox', 'a shell in a pod'],
    ...(lab.controlPlane === undefined
      ? ([
          [`ls ${lab.logDir}`, `logs: control plane, agents, ${lab.runtime}`],
          [`nsenter --net=/run/netns/${first?.netns} iptables-save`, `the rules of ${first?.name}`],
        ] as const)
      : ([
          [`./bin/tinker shell${named(lab)} ${lab.controlPlane.name}`, 'a shell on a host'],
          [`./bin/tinker logs${named(lab)} kube-apiserver`, 'what a service has written'],
        ] as const)),
    [downCommand(lab), 'takes everything away'],
  ] as const;
  const width = Math.max(...commands.map(([command]) => command.length));
  return `Go on:\n${commands.map(([command, what]) => `  ${command.padEnd(width)}   ${what}`.trimEnd()).join('\n')}\n`;
}

const named = ({ name }: Lab): string => (name === defaultLab.name ? '' : ` --name ${name}`);

/** Runs the steps, each with a tick and its time: live on a terminal, one line per step elsewhere. */
async function runSteps(steps: readonly LabStep[]): Promise<void> {
  if (!process.stdout.isTTY) {
    for (const step of steps) await runPlainly(step);
    return;
  }
  const list = new Listr(
    steps.map(({ title, run, skip, note }) => ({
      title,
      task: async (_context, task): Promise<void> => {
        const why = skip?.() ?? false;
        if (why === false) {
          await run();
          const text = note?.();
          if (text !== undefined) task.title = `${title}. ${text}`;
        } else task.title = `${title}: ${why}`;
      },
    })),
    // The error is printed once, at the end.
    { rendererOptions: { timer: PRESET_TIMER, showErrorMessage: false }, concurrent: false, registerSignalListeners: false },
  );
  await list.run();
}

async function runPlainly({ title, run, skip, note }: LabStep): Promise<void> {
  const startedMs = performance.now();
  const why = skip?.() ?? false;
  try {
    if (why === false) await run();
  } catch (error) {
    print(`✖ ${title}\n`);
    throw error;
  }
  print(`✔ ${title}${why === false ? ` [${((performance.now() - startedMs) / 1000).toFixed(1)} s]` : `: ${why}`}\n`);
  const text = why === false ? note?.() : undefined;
  if (text !== undefined) print(`  ${text}\n`);
}

function print(text: string): void {
  process.stdout.write(text);
}
