/** Prefers nodes that have the pod's images already, weighted by size, and less if few nodes have them. */
import type { Pod } from '#api/types.generated.ts';
import { maxNodeScore, type ScorePlugin } from '../framework.ts';
import type { NodeInfo } from '../node-info.ts';
import type { Snapshot } from '../snapshot.ts';

const mebibyte = 1024 * 1024;
/** Smaller images score 0. Above `maxBytesPerContainer` per container, the score does not grow. */
const minBytes = 23 * mebibyte;
const maxBytesPerContainer = 1000 * mebibyte;

/** The score plugin ImageLocality. */
export const imageLocality: ScorePlugin = {
  name: 'ImageLocality',
  weight: 1,
  score(pod, feasible, snapshot) {
    const images = imagesOf(pod);
    const maxBytes = maxBytesPerContainer * ((pod.spec.initContainers ?? []).length + pod.spec.containers.length);
    const spread = new Map(images.map((image) => [image, nodesWith(image, snapshot) / snapshot.nodes.length]));
    return feasible.map((info) => {
      const bytes = images.reduce((sum, image) => sum + Math.trunc((info.images.get(image) ?? 0) * (spread.get(image) ?? 0)), 0);
      return Math.trunc((maxNodeScore * (clamp(bytes, maxBytes) - minBytes)) / (maxBytes - minBytes));
    });
  },
};

const clamp = (bytes: number, maxBytes: number): number => Math.max(minBytes, Math.min(bytes, maxBytes));

const nodesWith = (image: string, { nodes }: Snapshot): number => nodes.filter((info: NodeInfo) => info.images.has(image)).length;

function imagesOf({ spec }: Pod): string[] {
  const ofVolumes = (spec.volumes ?? []).flatMap(({ image }) => (image?.reference === undefined ? [] : [image.reference]));
  const ofContainers = [...(spec.initContainers ?? []), ...spec.containers].map(({ image }) => image ?? '');
  return [...ofContainers, ...ofVolumes].map(withTag);
}

/** Adds `:latest` to a name without tag or digest, because node status has names with tags. */
const withTag = (image: string): string => (image.lastIndexOf(':') <= image.lastIndexOf('/') ? `${image}:latest` : image);
