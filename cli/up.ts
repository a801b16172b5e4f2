/** `tinker up` and `tinker down`: a cluster on this machine. */
import { Listr, PRESET_TIMER } from 'listr2';
import { execFile } from '#agent/host/exec.ts';
import type { Lab } from '#lab/config.ts';
import { stopLab } from '#lab/down.ts';
import { applySample, askSample, kubectl } from '#lab/sample.ts';
import { type LabStep, labSteps } from '#lab/up.ts';

export async function up(lab: Lab): Promise<void> {
  const startedMs = performance.now();
  const sample: LabStep = {
    title: 'Apply lab/samples/web.yaml: a Deployment of 3 and a NodePort Service',
    run: () => applySample(lab, execFile),
  };
  await runSteps([...labSteps(lab, execFile), sample]);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const nodes = await kubectl(lab, execFile, ['get', 'nodes', '-o', 'wide']);
  const pods = await kubectl(lab, execFile, ['get', 'pods', '-o', 'wide']);
  print(`\nUp in ${seconds} s.\n\n${nodes}\n${pods}\n`);
  for (const { via, answer } of await askSample(lab, execFile)) print(`${via}\n  ${answer}\n`);
  print(`
Go on:
  export KUBECONFIG=${lab.kubeconfig}
  ./bin/kubectl get pods -A                   any kubectl does
  ./bin/kubectl run x -it --image=busybox     a shell in a pod
  ls ${lab.logDir}          logs of control plane, agents and ${lab.runtime}
  nsenter --net=/run/netns/${lab.hosts[0]?.netns} iptables-save      the rules of ${lab.hosts[0]?.name}
  npm run down                                takes everything away
`);
}

export async function down(lab: Lab): Promise<void> {
  await runSteps([{ title: `Take the lab "${lab.name}" away`, run: () => stopLab(lab, execFile) }]);
}

/** Each step with a tick and its time, live on a terminal, line by line elsewhere. */
async function runSteps(steps: readonly LabStep[]): Promise<void> {
  const list = new Listr(
    steps.map(({ title, run, skip }) => ({
      title,
      task: async (_context, task): Promise<void> => {
        const why = skip?.() ?? false;
        if (why === false) await run();
        else task.title = `${title}: ${why}`;
      },
    })),
    { rendererOptions: { timer: PRESET_TIMER }, fallbackRendererOptions: { timer: PRESET_TIMER }, concurrent: false },
  );
  await list.run();
}

function print(text: string): void {
  process.stdout.write(text);
}
