// Who asks. The token is in the memory of this page, and nowhere else: a reload forgets it.

const listeners = new Set();

export const session = {
  token: "",
  user: "",
  /** What somebody has to log in for, if it was told so. */
  problem: null,

  needed(problem) {
    if (this.problem?.words === problem.words) return;
    this.problem = problem;
    tell();
  },

  began(user, token) {
    Object.assign(this, { user, token, problem: null });
    tell();
  },

  ended() {
    Object.assign(this, { user: "", token: "", problem: null });
    tell();
  },

  /** Calls `listener` whenever somebody logged in or out, or should. */
  onchange(listener) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
};

function tell() {
  for (const listener of [...listeners]) listener(session);
}
