"""The dialects that clients speak, a module each; :data:`aigw.llm.translation.DIALECTS` names them all."""
