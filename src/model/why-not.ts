/** Why the sink started nothing for an event that it took. */
export interface WhyNot {
  /** One line: that it is so, and what to do if the rest could not be found out. */
  readonly reason: string;
  /** A line for each of the subscriptions that differ least from the event: what differs. The nearest first. */
  readonly nearest: readonly string[];
}
