import { isPrintable } from '../model/names.ts';
import { LIMITS } from './limits.ts';

/** What a text must be. */
export interface Grammar {
  readonly test: (text: string) => boolean;
  /** For issues. */
  readonly expected: string;
}

/** Runs of letters and digits with one separator between two. No two parts can match the same character, so matching is linear. */
const REPOSITORY_NAME = /^[a-z0-9]+(?:(?:[./]|__?|-+)[a-z0-9]+)*$/;

/** OCI distribution specification, "Pulling manifests". */
export const REPOSITORY: Grammar = {
  test: (text) => text.length <= LIMITS.maxRepositoryChars && REPOSITORY_NAME.test(text),
  expected: `a repository of at most ${LIMITS.maxRepositoryChars} characters, in the OCI grammar`,
};

/** OCI distribution specification, "Pulling manifests". */
export const TAG: Grammar = {
  test: (text) => text.length <= LIMITS.maxTagChars && /^\w[\w.-]*$/.test(text),
  expected: `a tag of at most ${LIMITS.maxTagChars} characters, in the OCI grammar`,
};

/** The file name of a legacy chart. Versions of charts may have build metadata after a `+`. */
export const CHART_TAG: Grammar = {
  test: (text) => text.length <= LIMITS.maxTextChars && /^\w[\w.+-]*$/.test(text),
  expected: `a file name of at most ${LIMITS.maxTextChars} letters, digits and \`._+-\``,
};

/** OCI image specification, "Digests". */
export const DIGEST: Grammar = {
  test: (text) => text.length <= LIMITS.maxDigestChars && /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[\w=-]+$/.test(text),
  expected: `a digest of at most ${LIMITS.maxDigestChars} characters, in the OCI grammar`,
};

export const TEXT: Grammar = textOf(LIMITS.maxTextChars);

export const ENVELOPE_TEXT: Grammar = textOf(LIMITS.maxEnvelopeTextChars);

function textOf(maxChars: number): Grammar {
  return {
    test: (given) => given.length <= maxChars && isPrintable(given),
    expected: `a text of at most ${maxChars} printable characters`,
  };
}
