//! What the agent sent is stripped, and the credential goes in last.
