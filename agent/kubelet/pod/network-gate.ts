/** Containers start when the rules of the network policies that select their pod are in the kernel: no packet of theirs comes before. */
import type { Pod } from '#api/types.generated.ts';
import type { EventRecorder } from '#client/event-recorder.ts';
import { grpcErrorText } from '../errors.ts';
import { podReference } from './kill-containers.ts';

/** What enforces network policies on this node. */
export interface NetworkGate {
  /**
   * Resolves when the containers of a pod whose sandbox has these addresses may start.
   * @throws Error that says what is missing; the signal's reason when it aborts
   */
  admit(pod: Pod, ips: readonly string[], signal: AbortSignal): Promise<void>;
}

/** @param gate undefined: nobody enforces policies here, or the user's own CNI does @throws Error when the pod has to wait longer */
export async function passNetworkGate(
  gate: NetworkGate | undefined,
  events: EventRecorder,
  { pod, ips, signal }: { pod: Pod; ips: readonly string[]; signal: AbortSignal },
): Promise<void> {
  if (gate === undefined) return;
  try {
    await gate.admit(pod, ips, signal);
  } catch (error) {
    if (!signal.aborted) {
      const message = `containers wait for the network policies of this node: ${grpcErrorText(error)}`;
      events.event(podReference(pod), 'Warning', 'NetworkPolicyNotReady', message);
    }
    throw error;
  }
}
