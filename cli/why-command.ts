/** `tinker why pod/<name>`: shows why the scheduler chose a pod's node, or why a pod cannot be scheduled. */
import type { Command } from 'commander';
import { createHttpTransport } from '#client/http-transport.ts';
import { loadKubeconfig } from '#client/kubeconfig.ts';
import { readText } from '#client/rest-client.ts';
import { type PodRecord, podRecordPath } from '#control/scheduler/explanation.ts';
import { kubeconfigHelp, kubeconfigPath } from './kubeconfig-path.ts';

/** Adds the command to `program`. */
export function createWhyCommand(program: Command): void {
  program
    .command('why <pod>')
    .description('tell why a pod is on its node, or why it waits and what would let it run (why pod/<name>)')
    .option('-n, --namespace <name>', 'the namespace of the pod', 'default')
    .option('--kubeconfig <path>', kubeconfigHelp)
    .action(async (pod: string, { namespace, kubeconfig }: { namespace: string; kubeconfig?: string }) => {
      const name = pod.replace(/^(pods?|po)\//, '');
      if (name === '' || name.includes('/')) throw new Error(`${pod}: give a pod, as in "tinker why pod/web-0"`);
      const transport = createHttpTransport(loadKubeconfig(kubeconfigPath(kubeconfig)));
      try {
        const path = `${podRecordPath}${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
        const { status, body } = await transport({ method: 'GET', path, headers: { accept: 'application/json' } });
        const text = await readText(body);
        if (status === 404) throw new Error(`the scheduler knows no pod ${namespace}/${name}, or has forgotten its decisions`);
        if (status !== 200) throw new Error(`GET ${path}: ${status} ${text.trim()}`);
        process.stdout.write(recordText(JSON.parse(text) as PodRecord));
      } finally {
        transport.close();
      }
    });
}

/** Limit of nodes shown per attempt: the best ones first, then those that do not fit. */
const maxNodes = 20;

/** The record as readable text. */
export function recordText({ pod, waits, attempts, remedies }: PodRecord): string {
  const lines = [`pod ${pod}${waits === undefined ? '' : ` waits (${waits})`}`];
  for (const { attempt, at, outcome, nodes } of attempts) {
    const result = outcome.kind === 'scheduled' ? `chose ${outcome.node}` : `${outcome.kind}: ${outcome.message}`;
    lines.push('', `attempt ${attempt}, ${at}: ${result}`);
    const sorted = nodes.toSorted((a, b) => (b.total ?? -1) - (a.total ?? -1));
    for (const node of sorted.slice(0, maxNodes)) lines.push(`  ${nodeText(node)}`);
    if (nodes.length > maxNodes) lines.push(`  and ${nodes.length - maxNodes} more nodes`);
  }
  if (remedies.length > 0) lines.push('', 'it would run, as tried on the present state of the cluster, if you');
  for (const { node, changes } of remedies) lines.push(`  ${changes.join(', and ')} (it would go to ${node})`);
  return `${lines.join('\n')}\n`;
}

function nodeText({ node, rejectedBy, reasons = [], scores, total }: PodRecord['attempts'][number]['nodes'][number]): string {
  if (rejectedBy !== undefined) return `${node}: does not fit, ${rejectedBy}: ${reasons.join(', ')}`;
  if (scores === undefined) return `${node}: fits`;
  const parts = scores.map(
    ({ plugin, raw, score, weight, weighted }) =>
      `${plugin} ${raw === score ? '' : `${raw} → `}${score}${weight === 1 ? '' : ` × ${weight} = ${weighted}`}`,
  );
  return `${node}: ${total} (${parts.join(', ')})`;
}
