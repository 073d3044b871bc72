"""What of the client takes its endpoint from the environment only: login, cards, metadata. Run by test_api.py."""

import sys

from huggingface_hub import ModelCard, ModelCardData, get_full_repo_name, login, metadata_update, whoami

repo, empty = sys.argv[1:]
login(token="token-of-ada", add_to_git_credential=False)
assert whoami()["name"] == "ada" and get_full_repo_name("x") == "ada/x"
metadata_update(repo, {"tags": ["fresh"], "pipeline_tag": "token-classification"})
card = ModelCard.load(repo)
assert card.data.license == "mit" and card.data.tags == ["fresh"] and "# Title" in card.text
ModelCard.from_template(ModelCardData(license="apache-2.0"), model_id="m", model_description="Short.").push_to_hub(empty)
assert ModelCard.load(empty).data.license == "apache-2.0"
