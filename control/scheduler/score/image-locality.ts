/** Prefers nodes that have the pod's images already, weighted by size, and less if few nodes have them. */
import type { Pod } from '#api/types.generated.ts';
import { maxNodeScore, type ScorePlugin } from '../framework.ts';

const mebibyte = 1024 * 1024;
/** Smaller images score 0. Above `maxBytesPerContainer` per container, the score does not grow. */
const minBytes = 23 * mebibyte;
const maxBytesPerContainer = 1000 * mebibyte;

/** Makes the score plugin ImageLocality. */
export const imageLocalityScore = (weight = 1): ScorePlugin => ({
  name: 'ImageLocality',
  weight,
  score(pod, feasible, { nodes, podIndex }) {
    const images = imagesOf(pod);
    const maxBytes = maxBytesPerContainer * ((pod.spec.initContainers ?? []).length + pod.spec.containers.length);
    const spread = images.map((image) => podIndex.nodesWithImage(image) / nodes.length);
    if (spread.every((share) => share === 0)) return feasible.map(() => 0);
    return feasible.map((info) => {
      let bytes = 0;
      for (const [index, image] of images.entries()) bytes += Math.trunc((info.images.get(image) ?? 0) * (spread[index] ?? 0));
      return Math.trunc((maxNodeScore * (clamp(bytes, maxBytes) - minBytes)) / (maxBytes - minBytes));
    });
  },
});

/** The plugin with upstream's weight. */
export const imageLocality: ScorePlugin = imageLocalityScore();

const clamp = (bytes: number, maxBytes: number): number => Math.max(minBytes, Math.min(bytes, maxBytes));

function imagesOf({ spec }: Pod): string[] {
  const ofVolumes = (spec.volumes ?? []).flatMap(({ image }) => (image?.reference === undefined ? [] : [image.reference]));
  const ofContainers = [...(spec.initContainers ?? []), ...spec.containers].map(({ image }) => image ?? '');
  return [...ofContainers, ...ofVolumes].map(withTag);
}

/** Adds `:latest` to a name without tag or digest, because node status has names with tags. */
const withTag = (image: string): string => (image.lastIndexOf(':') <= image.lastIndexOf('/') ? `${image}:latest` : image);
