/** Reads the conditions of a node. Pure. */
import type { Node, NodeCondition } from './types.generated.ts';

type WithStatus = Pick<Node, 'status'>;

/** The node's Ready condition; undefined when it has none. */
export const readyCondition = ({ status }: WithStatus): NodeCondition | undefined =>
  status?.conditions?.find(({ type }) => type === 'Ready');

/** Whether the node's Ready condition is true. */
export const isNodeReady = (node: WithStatus): boolean => readyCondition(node)?.status === 'True';
